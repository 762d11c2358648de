import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import {
  ApiBody,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { invalidRequest, notFound } from '../http/api-error.js';
import { ApiErrors } from '../api/errors.decorator.js';
import { INVALID_ID, ParseUuid } from '../api/params.js';
import { Access, CurrentCaller } from '../access/access.decorator.js';
import { RotateDto } from '../api/rotate.dto.js';
import {
  ApiKeyPageBody,
  ApiKeysQuery,
  CREATE_KEY_EXAMPLES,
  CreateApiKeyDto,
  CreatedApiKeyBody,
} from './api-key.dto.js';
import { ApiKeysService, KEY_HAS_ENDED } from './api-keys.service.js';
import type { Caller } from '../access/caller.js';

const ApiKeyId = () => ApiParam({ name: 'id', format: 'uuid', description: 'The `id` of the key.' });
const NO_KEY = notFound('There is no API key 0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d.');

@ApiTags('API keys')
@Controller('api/v1/api-keys')
export class ApiKeysController {
  constructor(private readonly apiKeys: ApiKeysService) {}

  @Post()
  @Access('sync:admin')
  @ApiOperation({
    summary: 'Create an API key',
    description: 'The answer is the only place where the key is shown.',
  })
  @ApiBody({ type: CreateApiKeyDto, examples: CREATE_KEY_EXAMPLES })
  @ApiCreatedResponse({ type: CreatedApiKeyBody, description: 'The new key, with the key itself.' })
  @ApiErrors(invalidRequest('developerId is required; property color should not exist'), 413, 415)
  create(@Body() dto: CreateApiKeyDto): Promise<CreatedApiKeyBody> {
    return this.apiKeys.create(dto);
  }

  @Get()
  @Access('sync:read')
  @ApiOperation({
    summary: 'List API keys',
    description:
      "The developer's own; of all developers for admins. Revoked and expired ones included, oldest first.",
  })
  @ApiOkResponse({ type: ApiKeyPageBody, description: 'One page of keys, without the keys themselves.' })
  @ApiErrors(invalidRequest('limit must be at most 100'))
  list(@CurrentCaller() caller: Caller, @Query() query: ApiKeysQuery): Promise<ApiKeyPageBody> {
    return this.apiKeys.list(caller, query);
  }

  @Post(':id/rotate')
  @Access('sync:write')
  @ApiOperation({
    summary: 'Rotate an API key',
    description:
      'Makes a new key with the same developer, name, scopes, client and `expiresAt`, shown only in this answer. The old ' +
      'one goes on working for `overlapSeconds`, unless it ends before. Developers can rotate their own keys, with a ' +
      'credential that has all scopes of the key and does not belong to an API client.',
  })
  @ApiKeyId()
  @ApiCreatedResponse({ type: CreatedApiKeyBody, description: 'The new key, with the key itself.' })
  @ApiErrors(
    INVALID_ID,
    invalidRequest('overlapSeconds must not be greater than 2592000'),
    NO_KEY,
    KEY_HAS_ENDED,
    413,
    415,
  )
  rotate(
    @CurrentCaller() caller: Caller,
    @Param('id', ParseUuid) id: string,
    @Body() { overlapSeconds }: RotateDto,
  ): Promise<CreatedApiKeyBody> {
    return this.apiKeys.rotate(caller, id, overlapSeconds);
  }

  @Delete(':id')
  @HttpCode(204)
  @Access('sync:write')
  @ApiOperation({
    summary: 'Revoke an API key',
    description:
      'One of the developer, or any for admins. Takes effect at once in the process that answers, and within 5 seconds ' +
      'in all others.',
  })
  @ApiKeyId()
  @ApiNoContentResponse({ description: 'Revoked, now or before.' })
  @ApiErrors(INVALID_ID, NO_KEY)
  revoke(@CurrentCaller() caller: Caller, @Param('id', ParseUuid) id: string): Promise<void> {
    return this.apiKeys.revoke(caller, id);
  }
}
