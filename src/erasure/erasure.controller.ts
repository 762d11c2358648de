import { Controller, Delete } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { Endpoint, TextParam } from '../access/endpoint.decorator.js';
import { ID_EXAMPLE } from '../api/fields.js';
import { invalidRequest } from '../http/api-error.js';
import { ErasureService, noDeveloper, OWNS_CLIENTS } from './erasure.service.js';

@ApiTags('Developers')
@Controller('api/v1/developers/:developerId')
export class ErasureController {
  constructor(private readonly erasures: ErasureService) {}

  @Delete()
  @Endpoint('sync:admin', {
    summary: 'Erase a developer',
    description:
      'Ends its keys, grants, password, invites and logins: at once in the process that answers, within 5 ' +
      'seconds in all others. Its records, shares, pins, history and webhook deliveries are then deleted in ' +
      'the background; developers who pinned its records get `removed`. The `developerId` is free at once: ' +
      'its next use makes a new developer. The audit log keeps its lines.',
    returns: [204, 'All access is gone, and the rest will be, whatever happens to the server.'],
    errors: [
      invalidRequest('The name in the URL must have 1 to 255 characters.'),
      noDeveloper('dev-789'),
      OWNS_CLIENTS([ID_EXAMPLE]),
    ],
  })
  erase(
    @CurrentCaller() caller: Caller,
    @TextParam('developerId', 'Id of the developer.', 'dev-789') developerId: string,
  ): Promise<void> {
    return this.erasures.erase(caller, developerId);
  }
}
