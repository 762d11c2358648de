import { Controller, Delete, Get, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { TakesOwnTurns } from '../access/admission.interceptor.js';
import { CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { Endpoint, IdParam, TextParam } from '../access/endpoint.decorator.js';
import { PageQuery } from '../api/page.dto.js';
import { INVALID_ID } from '../api/params.js';
import { notFound } from '../http/api-error.js';
import { NO_RECORD } from './record-errors.js';
import { SharePageBody } from './share.dto.js';
import { SharesService } from './shares.service.js';

const NO_DEVELOPER = notFound('There is no developer dev-456.');

@ApiTags('Sharing and collections')
@Controller('api/v1/sync/records/:id/shares')
export class SharesController {
  constructor(private readonly shares: SharesService) {}

  @Get()
  @Endpoint('sync:read', {
    summary: 'List the shares of a record',
    description: 'For the owner of the record, and for admins.',
    returns: [200, 'A page of the developers who may read the record.', SharePageBody],
    errors: [INVALID_ID, NO_RECORD],
  })
  list(
    @CurrentCaller() caller: Caller,
    @IdParam('Id of the record.') id: string,
    @Query() query: PageQuery,
  ): Promise<SharePageBody> {
    return this.shares.list(caller, id, query);
  }

  @Put(':developerId')
  @Endpoint('sync:write', {
    summary: 'Share a record',
    description:
      'Allows another developer to read this record, by its id and its item page, and to pin it. The list ' +
      'of records of that developer does not include it. Idempotent.',
    returns: [204, 'The record is shared.'],
    errors: [INVALID_ID, NO_RECORD, NO_DEVELOPER],
  })
  @TakesOwnTurns()
  grant(
    @CurrentCaller() caller: Caller,
    @IdParam('Id of the record.') id: string,
    @TextParam('developerId', 'Developer who may read the record.', 'dev-456') developerId: string,
  ): Promise<void> {
    return this.shares.grant(caller, id, developerId);
  }

  @Delete(':developerId')
  @Endpoint('sync:write', {
    summary: 'Stop sharing a record',
    description:
      'Takes effect at once. If the developer has pinned the record, the feed of that developer gets ' +
      '`removed`. Idempotent, also for an unknown developer.',
    returns: [204, 'The record is not shared.'],
    errors: [INVALID_ID, NO_RECORD],
  })
  @TakesOwnTurns()
  revoke(
    @CurrentCaller() caller: Caller,
    @IdParam('Id of the record.') id: string,
    @TextParam('developerId', 'Developer who may no longer read the record.', 'dev-456') developerId: string,
  ): Promise<void> {
    return this.shares.revoke(caller, id, developerId);
  }
}
