import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  UseInterceptors,
} from '@nestjs/common';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { asCurrentRequest } from '../http/current-request.js';

@Injectable()
class CurrentRequestInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest();
    const work = () => lastValueFrom(next.handle(), { defaultValue: undefined });
    return from(asCurrentRequest(request, work));
  }
}

/** A route or a controller with changes that the audit log names: the caller, the address, the request id. */
export const Audited = () => UseInterceptors(CurrentRequestInterceptor);
