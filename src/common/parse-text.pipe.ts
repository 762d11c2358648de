import { Injectable, type PipeTransform } from '@nestjs/common';
import { invalidRequest } from './api-error.js';
import { isText } from './validation.js';

/** A path parameter that is a name of 1 to 255 characters which PostgreSQL can hold; anything else is a 400. */
@Injectable()
export class ParseText implements PipeTransform<string, string> {
  transform(value: string): string {
    if (!isText(value, 1, 255)) throw invalidRequest('The name in the URL must have 1 to 255 characters.');
    return value;
  }
}
