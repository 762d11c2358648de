import { Injectable, type PipeTransform } from '@nestjs/common';
import { isUUID } from 'class-validator';
import { invalidRequest } from '../http/api-error.js';
import { isText } from './rules.js';

export const INVALID_ID = invalidRequest('The id in the URL must be a UUID.');

/** A UUID of any version in the path, made lower case. @throws ApiError 400 */
@Injectable()
export class ParseUuid implements PipeTransform<string, string> {
  transform(value: string): string {
    if (!isUUID(value, 'loose')) throw INVALID_ID;
    return value.toLowerCase();
  }
}

/** A name in the path: 1 to 255 characters that PostgreSQL can store. @throws ApiError 400 */
@Injectable()
export class ParseText implements PipeTransform<string, string> {
  transform(value: string): string {
    if (!isText(value, 1, 255)) throw invalidRequest('The name in the URL must have 1 to 255 characters.');
    return value;
  }
}
