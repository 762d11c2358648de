import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  SetMetadata,
} from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { finalize, type Observable } from 'rxjs';
import { config } from '../config.js';
import type { Reservation } from '../http/fair-limit.js';
import { whenClosed } from '../http/when-closed.js';
import type { Caller } from './caller.js';
import { limitMemory } from './memory.js';
import { turns } from './turns.js';

/** Bytes of an answer whose size is not known: enough for nearly all. */
const USUAL_ANSWER = 64 * 1_024;

const TAKES_OWN_TURNS = 'takes-own-turns';

/** A route that takes its turns at the database itself, or needs none. */
export const TakesOwnTurns = () => SetMetadata(TAKES_OWN_TURNS, true);

const ANSWERS_RECORD = 'answers-record';

/** A route that answers with a whole record, whose size is not known before: it may be as large as a body. */
export const AnswersRecord = () => SetMetadata(ANSWERS_RECORD, true);

/** A request with a reservation of memory for its answer, until the client has read it. */
export interface AdmittedRequest extends FastifyRequest {
  user?: Caller;
  answer: Reservation;
}

/**
 * Admits a request once there is room for its answer, and gives it a turn at the database. Each caller waits in a
 * queue of its own.
 *
 * DoS: answers are in memory until their clients have read them.
 */
@Injectable()
export class AdmissionInterceptor implements NestInterceptor {
  private readonly answers = limitMemory(
    'answer_bytes',
    10_000,
    'Too many answers for this developer are in memory. Read them first.',
  );

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const http = context.switchToHttp();
    const request = http.getRequest<AdmittedRequest>();
    // Probes: they must answer whatever the load.
    if (!request.user) return next.handle();
    const owner = request.user.developer?.userId;
    const handler = context.getHandler();
    const bytes = Reflect.hasMetadata(ANSWERS_RECORD, handler) ? config.BODY_LIMIT : USUAL_ANSWER;
    request.answer = await this.answers.acquire(owner, bytes);
    whenClosed(http.getResponse<FastifyReply>().raw, request.answer.release);
    if (Reflect.hasMetadata(TAKES_OWN_TURNS, handler)) return next.handle();
    const { release } = await turns.acquire(owner);
    return next.handle().pipe(finalize(release));
  }
}
