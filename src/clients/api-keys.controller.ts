import { Body, Controller, Delete, Get, Post, Query } from '@nestjs/common';
import { ApiBody, ApiTags } from '@nestjs/swagger';
import { CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { Endpoint, IdParam } from '../access/endpoint.decorator.js';
import { INVALID_ID } from '../api/params.js';
import { RotateDto } from '../api/rotate.dto.js';
import { invalidRequest, notFound } from '../http/api-error.js';
import {
  ApiKeyPageBody,
  ApiKeysQuery,
  CREATE_KEY_EXAMPLES,
  CreateApiKeyDto,
  CreatedApiKeyBody,
} from './api-key.dto.js';
import { ApiKeysService, KEY_HAS_ENDED } from './api-keys.service.js';

const KEY_ID = 'The `id` of the key.';
const NO_KEY = notFound('There is no API key 0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d.');

@ApiTags('API keys')
@Controller('api/v1/api-keys')
export class ApiKeysController {
  constructor(private readonly apiKeys: ApiKeysService) {}

  @Post()
  @ApiBody({ type: CreateApiKeyDto, examples: CREATE_KEY_EXAMPLES })
  @Endpoint('sync:admin', {
    summary: 'Create an API key',
    description: 'Also creates the developer if unknown. The key is shown only in this answer.',
    returns: [201, 'The new key, with the key itself.', CreatedApiKeyBody],
    errors: [invalidRequest('developerId is required; property color should not exist')],
  })
  create(@CurrentCaller() caller: Caller, @Body() dto: CreateApiKeyDto): Promise<CreatedApiKeyBody> {
    return this.apiKeys.create(caller, dto);
  }

  @Get()
  @Endpoint('sync:read', {
    summary: 'List API keys',
    description:
      'Your own; for admins those of all developers. Oldest first, expired and revoked ones included.',
    returns: [200, 'One page of keys, without the keys themselves.', ApiKeyPageBody],
    errors: [invalidRequest('limit must be at most 100')],
  })
  list(@CurrentCaller() caller: Caller, @Query() query: ApiKeysQuery): Promise<ApiKeyPageBody> {
    return this.apiKeys.list(caller, query);
  }

  @Post(':id/rotate')
  @Endpoint('sync:write', {
    summary: 'Rotate an API key',
    description:
      'Makes a new key with the same developer, name, scopes, client and `expiresAt`, shown only in this ' +
      'answer. The old one keeps working for `overlapSeconds`, unless it expires before. Developers can ' +
      'rotate their own keys, with a credential that has all scopes of the key and does not belong to an ' +
      'API client.',
    returns: [201, 'The new key, with the key itself.', CreatedApiKeyBody],
    errors: [
      INVALID_ID,
      invalidRequest('overlapSeconds must not be greater than 2592000'),
      NO_KEY,
      KEY_HAS_ENDED,
    ],
  })
  rotate(
    @CurrentCaller() caller: Caller,
    @IdParam(KEY_ID) id: string,
    @Body() { overlapSeconds }: RotateDto,
  ): Promise<CreatedApiKeyBody> {
    return this.apiKeys.rotate(caller, id, overlapSeconds);
  }

  @Delete(':id')
  @Endpoint('sync:write', {
    summary: 'Revoke an API key',
    description:
      'Your own, or any for admins. Takes effect at once in the process that answers, within 5 seconds in ' +
      'all others.',
    returns: [204, 'Revoked, now or before.'],
    errors: [INVALID_ID, NO_KEY],
  })
  revoke(@CurrentCaller() caller: Caller, @IdParam(KEY_ID) id: string): Promise<void> {
    return this.apiKeys.revoke(caller, id);
  }
}
