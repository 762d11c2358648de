import { Injectable, type PipeTransform } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { invalidRequest } from './api-error.js';

/** A path parameter that is a UUID of any version; anything else is a 400. */
@Injectable()
export class ParseUuid implements PipeTransform<string, string> {
  transform(value: string): string {
    if (!isUUID(value, 'loose')) throw invalidRequest('The id in the URL must be a UUID.');
    return value.toLowerCase();
  }
}
