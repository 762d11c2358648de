import { Body, Controller, Delete, Get, Patch, Post, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { Endpoint, IdParam } from '../access/endpoint.decorator.js';
import { INVALID_ID } from '../api/params.js';
import { RotateDto } from '../api/rotate.dto.js';
import { invalidRequest, notFound } from '../http/api-error.js';
import {
  ApiClientBody,
  ApiClientPageBody,
  ApiClientsQuery,
  ApiClientWithSecretBody,
  CreateApiClientDto,
  UpdateApiClientDto,
} from './api-client.dto.js';
import { ApiClientsService, PUBLIC_CLIENT } from './api-clients.service.js';

const CLIENT_ID = 'The `id` of the client.';
const NO_CLIENT = notFound('There is no API client 0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d.');

@ApiTags('API clients')
@Controller('api/v1/api-clients')
export class ApiClientsController {
  constructor(private readonly clients: ApiClientsService) {}

  @Post()
  @Endpoint('sync:admin', {
    summary: 'Create an API client',
    description:
      'Registers an application, and creates its owner if unknown. The secret is shown only in this answer.',
    returns: [201, 'The new client, with its secret.', ApiClientWithSecretBody],
    errors: [invalidRequest('name is required; property color should not exist')],
  })
  create(@CurrentCaller() caller: Caller, @Body() dto: CreateApiClientDto): Promise<ApiClientWithSecretBody> {
    return this.clients.create(caller, dto);
  }

  @Get()
  @Endpoint('sync:admin', {
    summary: 'List API clients',
    description: 'Oldest first.',
    returns: [200, 'One page of clients, without their secrets.', ApiClientPageBody],
    errors: [invalidRequest('limit must be at most 100')],
  })
  list(@Query() query: ApiClientsQuery): Promise<ApiClientPageBody> {
    return this.clients.list(query);
  }

  @Get(':id')
  @Endpoint('sync:admin', {
    summary: 'Fetch an API client',
    returns: [200, 'The client, without its secret.', ApiClientBody],
    errors: [INVALID_ID, NO_CLIENT],
  })
  get(@IdParam(CLIENT_ID) id: string): Promise<ApiClientBody> {
    return this.clients.get(id);
  }

  @Patch(':id')
  @Endpoint('sync:admin', {
    summary: 'Change an API client',
    description:
      'Fields left out keep their values; lists are replaced as a whole. A scope taken away is also taken ' +
      'from the API keys and tokens of the client. Cursors keep the assets that they were issued with. ' +
      'Takes effect at once in the process that answers, within 5 seconds in all others.',
    returns: [200, 'The client after the change.', ApiClientBody],
    errors: [INVALID_ID, invalidRequest('property public should not exist'), NO_CLIENT],
  })
  update(
    @CurrentCaller() caller: Caller,
    @IdParam(CLIENT_ID) id: string,
    @Body() dto: UpdateApiClientDto,
  ): Promise<ApiClientBody> {
    return this.clients.update(caller, id, dto);
  }

  @Delete(':id')
  @Endpoint('sync:admin', {
    summary: 'Delete an API client',
    description:
      'Also deletes its API keys and grants. Takes effect at once in the process that answers, within 5 ' +
      'seconds in all others.',
    returns: [204, 'Deleted.'],
    errors: [INVALID_ID, NO_CLIENT],
  })
  delete(@CurrentCaller() caller: Caller, @IdParam(CLIENT_ID) id: string): Promise<void> {
    return this.clients.delete(caller, id);
  }

  @Post(':id/secret')
  @Endpoint('sync:admin', {
    summary: 'Rotate the secret of an API client',
    description:
      'Makes a new secret, shown only in this answer. The current one keeps working for `overlapSeconds`, ' +
      'so that the application can change over without downtime; an older one ends now.',
    returns: [201, 'The client, with its new secret.', ApiClientWithSecretBody],
    errors: [INVALID_ID, PUBLIC_CLIENT, NO_CLIENT],
  })
  rotateSecret(
    @CurrentCaller() caller: Caller,
    @IdParam(CLIENT_ID) id: string,
    @Body() { overlapSeconds }: RotateDto,
  ): Promise<ApiClientWithSecretBody> {
    return this.clients.rotateSecret(caller, id, overlapSeconds);
  }
}
