import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';
import { config } from '../config.js';
import { whenClosed } from '../http/when-closed.js';
import { parseJsonBody } from '../http/json-body.js';
import { bodyLengthOf, readBody } from '../http/read-body.js';
import type { Caller } from './caller.js';
import { limitMemory } from './memory.js';

/**
 * Nothing before the key: reads and parses the body of a request after the guards, and before the pipes.
 * Fastify's parser leaves the stream alone (src/http/fastify.ts).
 *
 * DoS: a body is in memory from its first byte to the end of the answer.
 */
@Injectable()
export class RequestBodyInterceptor implements NestInterceptor {
  private readonly bodies = limitMemory('body_bytes', 3_000, 'Too many bytes of requests are in memory.');

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest & { user?: Caller }>();
    if (request.body === request.raw) {
      const limit = config.BODY_LIMIT;
      const bytes = bodyLengthOf(request.raw, limit) ?? limit;
      const { release } = await this.bodies.acquire(request.user?.developer?.userId, bytes);
      whenClosed(http.getResponse<FastifyReply>().raw, release);
      request.body = parseJsonBody(await readBody(request.raw, limit));
    }
    return next.handle();
  }
}
