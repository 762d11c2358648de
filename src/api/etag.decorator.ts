import { applyDecorators } from '@nestjs/common';
import { ApiHeader, ApiResponse } from '@nestjs/swagger';
import { documentHeaders } from './errors.decorator.js';

/** Documents a conditional GET (RFC 9110, section 13.1.2). @param etag meaning of the ETag */
export const ApiIfNoneMatch = (etag: string) =>
  applyDecorators(
    ApiHeader({
      name: 'If-None-Match',
      required: false,
      description: 'ETag of an earlier answer. The answer is 304 while nothing has changed.',
    }),
    ApiResponse({
      status: 304,
      description: 'Nothing has changed since the answer with this ETag.',
      headers: documentHeaders({ ETag: etag }),
    }),
  );

/** Documents a conditional write (RFC 9110, section 13.1.1). */
export const ApiIfMatch = () =>
  ApiHeader({
    name: 'If-Match',
    required: false,
    description: 'Expected ETag of the record. The answer is 412 if the record has another one.',
  });
