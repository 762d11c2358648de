import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { invalidRequest, notFound } from '../http/api-error.js';
import { ApiErrors } from '../api/errors.decorator.js';
import { RotateDto } from '../api/rotate.dto.js';
import { INVALID_ID, ParseUuid } from '../api/params.js';
import { Access } from '../access/access.decorator.js';
import {
  ApiClientBody,
  ApiClientPageBody,
  ApiClientsQuery,
  ApiClientWithSecretBody,
  CreateApiClientDto,
  UpdateApiClientDto,
} from './api-client.dto.js';
import { ApiClientsService, PUBLIC_CLIENT } from './api-clients.service.js';

const ApiClientId = () => ApiParam({ name: 'id', format: 'uuid', description: 'The `id` of the client.' });
const NO_CLIENT = notFound('There is no API client 0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d.');

@ApiTags('API clients')
@Access('sync:admin')
@Controller('api/v1/api-clients')
export class ApiClientsController {
  constructor(private readonly clients: ApiClientsService) {}

  @Post()
  @ApiOperation({
    summary: 'Create an API client',
    description: 'An application. The answer is the only place where its secret is shown.',
  })
  @ApiCreatedResponse({ type: ApiClientWithSecretBody, description: 'The new client, with its secret.' })
  @ApiErrors(invalidRequest('name is required; property color should not exist'), 413, 415)
  create(@Body() dto: CreateApiClientDto): Promise<ApiClientWithSecretBody> {
    return this.clients.create(dto);
  }

  @Get()
  @ApiOperation({ summary: 'List API clients', description: 'Oldest first.' })
  @ApiOkResponse({ type: ApiClientPageBody, description: 'One page of clients, without their secrets.' })
  @ApiErrors(invalidRequest('limit must be at most 100'))
  list(@Query() query: ApiClientsQuery): Promise<ApiClientPageBody> {
    return this.clients.list(query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Fetch an API client' })
  @ApiClientId()
  @ApiOkResponse({ type: ApiClientBody, description: 'The client, without its secret.' })
  @ApiErrors(INVALID_ID, NO_CLIENT)
  get(@Param('id', ParseUuid) id: string): Promise<ApiClientBody> {
    return this.clients.get(id);
  }

  @Patch(':id')
  @ApiOperation({
    summary: 'Change an API client',
    description:
      'What is left out stays. Takes effect at once in the process that answers, and within 5 seconds in all others.',
  })
  @ApiClientId()
  @ApiOkResponse({ type: ApiClientBody, description: 'The client as it is now.' })
  @ApiErrors(INVALID_ID, invalidRequest('property public should not exist'), NO_CLIENT, 413, 415)
  update(@Param('id', ParseUuid) id: string, @Body() dto: UpdateApiClientDto): Promise<ApiClientBody> {
    return this.clients.update(id, dto);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Delete an API client',
    description:
      'Its API keys and what developers have granted it end with it: at once in the process that answers, and within ' +
      '5 seconds in all others.',
  })
  @ApiClientId()
  @ApiNoContentResponse({ description: 'Deleted.' })
  @ApiErrors(INVALID_ID, NO_CLIENT)
  delete(@Param('id', ParseUuid) id: string): Promise<void> {
    return this.clients.delete(id);
  }

  @Post(':id/secret')
  @ApiOperation({
    summary: 'Rotate the secret of an API client',
    description:
      'Makes a new secret, shown only in this answer. The old one goes on working for `overlapSeconds`, so that the ' +
      'application can change over without a gap; the one before it ends now.',
  })
  @ApiClientId()
  @ApiCreatedResponse({ type: ApiClientWithSecretBody, description: 'The client, with its new secret.' })
  @ApiErrors(INVALID_ID, PUBLIC_CLIENT, NO_CLIENT, 413, 415)
  rotateSecret(
    @Param('id', ParseUuid) id: string,
    @Body() { overlapSeconds }: RotateDto,
  ): Promise<ApiClientWithSecretBody> {
    return this.clients.rotateSecret(id, overlapSeconds);
  }
}
