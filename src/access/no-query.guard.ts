import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { unknownFields } from '../api/validation.pipe.js';

/** A route without query parameters refuses all, as the pipe refuses unknown ones. @throws ApiError 400 */
@Injectable()
export class NoQueryGuard implements CanActivate {
  canActivate(context: ExecutionContext): true {
    const names = Object.keys(context.switchToHttp().getRequest<FastifyRequest>().query as object);
    if (names.length > 0) throw unknownFields(names);
    return true;
  }
}
