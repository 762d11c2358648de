import { Body, Controller, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { Endpoint } from '../access/endpoint.decorator.js';
import { RotateDto } from '../api/rotate.dto.js';
import { invalidRequest } from '../http/api-error.js';
import { SigningKeyBody } from './signing-key.dto.js';
import { SigningKeysService } from './signing-keys.service.js';

@ApiTags('Accounts')
@Controller('api/v1/oauth/signing-keys')
export class SigningKeysController {
  constructor(private readonly keys: SigningKeysService) {}

  @Post()
  @Endpoint('sync:admin', {
    summary: 'Rotate the signing keys',
    description:
      'A new key signs access tokens: at once in the process that answers, within 5 seconds in all others. ' +
      'Another new key signs login cookies, after 5 seconds. Signatures of the old keys are accepted for ' +
      '`overlapSeconds`. Use 0 for a leaked key: all access tokens and logins end now.',
    returns: [201, 'The new key of access tokens.', SigningKeyBody],
    errors: [invalidRequest('overlapSeconds must not be less than 0')],
  })
  async rotate(
    @CurrentCaller() caller: Caller,
    @Body() { overlapSeconds }: RotateDto,
  ): Promise<SigningKeyBody> {
    const { id, createdAt } = await this.keys.rotate(caller, overlapSeconds);
    return { id, createdAt: createdAt.toISOString() };
  }
}
