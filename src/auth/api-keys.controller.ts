import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { invalidRequest, notFound } from '../common/api-error.js';
import { ApiErrors } from '../common/api-errors.decorator.js';
import { ParseUuid } from '../common/parse-uuid.pipe.js';
import { Access } from './access.decorator.js';
import { ApiKeyPageBody, ApiKeysQuery, CreateApiKeyDto, CreatedApiKeyBody } from './api-key.dto.js';
import { ApiKeysService } from './api-keys.service.js';

@ApiTags('API keys')
@Access('sync:admin')
@Controller('api/v1/api-keys')
export class ApiKeysController {
  constructor(private readonly apiKeys: ApiKeysService) {}

  @Post()
  @ApiOperation({
    summary: 'Create an API key',
    description: 'The answer is the only place where the key is shown.',
  })
  @ApiCreatedResponse({ type: CreatedApiKeyBody, description: 'The new key, with the key itself.' })
  @ApiErrors(invalidRequest('developerId is required; property color should not exist'), 413, 415)
  create(@Body() dto: CreateApiKeyDto): Promise<CreatedApiKeyBody> {
    return this.apiKeys.create(dto);
  }

  @Get()
  @ApiOperation({ summary: 'List API keys', description: 'Revoked and expired ones included, oldest first.' })
  @ApiOkResponse({ type: ApiKeyPageBody, description: 'One page of keys, without the keys themselves.' })
  @ApiErrors(invalidRequest('limit must be at most 100'))
  list(@Query() query: ApiKeysQuery): Promise<ApiKeyPageBody> {
    return this.apiKeys.list(query);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Revoke an API key',
    description: 'Takes effect at once in the process that answers, and within 5 seconds in all others.',
  })
  @ApiParam({ name: 'id', format: 'uuid', description: 'The `id` of the key.' })
  @ApiNoContentResponse({ description: 'Revoked, now or before.' })
  @ApiErrors(
    invalidRequest('The id in the URL must be a UUID.'),
    notFound('There is no API key 0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d.'),
  )
  revoke(@Param('id', ParseUuid) id: string): Promise<void> {
    return this.apiKeys.revoke(id);
  }
}
