import { Body, Controller, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access } from '../access/access.decorator.js';
import { RotateDto } from '../api/rotate.dto.js';
import { ServerKeysService } from './server-keys.service.js';
import { invalidRequest } from '../http/api-error.js';
import { ApiErrors } from '../api/errors.decorator.js';
import { SigningKeyBody } from './signing-key.dto.js';

@ApiTags('Accounts')
@Access('sync:admin')
@Controller('api/v1/oauth/signing-keys')
export class SigningKeysController {
  constructor(private readonly keys: ServerKeysService) {}

  @Post()
  @ApiOperation({
    summary: 'Rotate the signing keys',
    description:
      'A new key signs access tokens, at once in the process that answers and within 5 seconds in all others; another one ' +
      'signs the cookies of people who log in, after 5 seconds. What the old ones have signed is believed for `overlapSeconds`. ' +
      'With 0, for a key that somebody else may know, all access tokens and logins end now.',
  })
  @ApiCreatedResponse({ type: SigningKeyBody, description: 'The new key of access tokens.' })
  @ApiErrors(invalidRequest('overlapSeconds must not be less than 0'), 413, 415)
  async rotate(@Body() { overlapSeconds }: RotateDto): Promise<SigningKeyBody> {
    const { id, createdAt } = await this.keys.rotate(overlapSeconds);
    return { id, createdAt: createdAt.toISOString() };
  }
}
