import { Controller, Delete, Header, Put, Query, Req } from '@nestjs/common';
import { ApiExtraModels, ApiTags } from '@nestjs/swagger';
import type { Readable } from 'node:stream';
import { type AdmittedRequest, TakesOwnTurns } from '../access/admission.interceptor.js';
import { CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { Endpoint, IdParam, NumberParam } from '../access/endpoint.decorator.js';
import { JsonGet } from '../api/json-get.decorator.js';
import { PageQuery } from '../api/page.dto.js';
import { INVALID_ID } from '../api/params.js';
import { invalidRequest, notFound } from '../http/api-error.js';
import { JSON_TYPE } from '../http/json-body.js';
import { Item } from '../records/item.dto.js';
import { NO_RECORD } from '../records/record-errors.js';
import { CollectionPageBody, CollectionsBody, CollectionsQuery } from './collection.dto.js';
import { CollectionsService } from './collections.service.js';

@ApiTags('Sharing and collections')
@ApiExtraModels(Item)
@Controller('api/v1')
export class CollectionsController {
  constructor(private readonly collections: CollectionsService) {}

  @JsonGet('collections')
  @Endpoint('sync:read', {
    summary: 'List collections',
    description: 'Each developer has exactly one collection, `pinned`.',
    returns: [200, 'All collections of the developer.', CollectionsBody],
    errors: [notFound('There is no developer dev-456.'), invalidRequest('property colour should not exist')],
  })
  list(@CurrentCaller() caller: Caller, @Query() query: CollectionsQuery): Promise<CollectionsBody> {
    return this.collections.list(caller, query);
  }

  @JsonGet('collections/pinned')
  @Endpoint('sync:read', {
    summary: 'Fetch the own collection',
    description:
      'A page of the items that the developer has pinned: the same as by the id of the collection.',
    returns: [200, 'A page of the collection.', CollectionPageBody],
    errors: [invalidRequest('limit must be at most 100')],
  })
  @TakesOwnTurns()
  @Header('Content-Type', JSON_TYPE)
  getPinned(
    @CurrentCaller() caller: Caller,
    @Query() query: PageQuery,
    @Req() { answer }: AdmittedRequest,
  ): Promise<string | Readable> {
    return this.collections.get(caller, caller.ownDeveloper().userId, query, answer);
  }

  @JsonGet('collections/:collection_id')
  @Endpoint('sync:read', {
    summary: 'Fetch a collection',
    description: 'A page of its items, at the `collection.url` of the feed.',
    returns: [200, 'A page of the collection.', CollectionPageBody],
    errors: [notFound('There is no collection 2.'), invalidRequest('limit must be at most 100')],
  })
  @TakesOwnTurns()
  @Header('Content-Type', JSON_TYPE)
  get(
    @CurrentCaller() caller: Caller,
    @NumberParam('collection_id', 'Id of the collection.', 1) id: string,
    @Query() query: PageQuery,
    @Req() { answer }: AdmittedRequest,
  ): Promise<string | Readable> {
    // A number of ten digits may exceed the integer of PostgreSQL.
    if (!/^[1-9]\d{0,9}$/.test(id) || Number(id) > 2 ** 31 - 1)
      throw notFound(`There is no collection ${id}.`);
    return this.collections.get(caller, Number(id), query, answer);
  }

  @Put('sync/records/:id/pin')
  @Endpoint('sync:write', {
    summary: 'Pin a record',
    description:
      'Adds an own or a shared record to the `pinned` collection of the caller. The feed of the caller ' +
      'then gets the changes of the record. Idempotent.',
    returns: [204, 'The record is pinned.'],
    errors: [INVALID_ID, NO_RECORD],
  })
  @TakesOwnTurns()
  pin(@CurrentCaller() caller: Caller, @IdParam('Id of the record.') id: string): Promise<void> {
    return this.collections.pin(caller, id);
  }

  @Delete('sync/records/:id/pin')
  @Endpoint('sync:write', {
    summary: 'Unpin a record',
    description: 'Removes a record from the `pinned` collection of the caller. Idempotent.',
    returns: [204, 'The record is not pinned.'],
    errors: [INVALID_ID, NO_RECORD],
  })
  @TakesOwnTurns()
  unpin(@CurrentCaller() caller: Caller, @IdParam('Id of the record.') id: string): Promise<void> {
    return this.collections.unpin(caller, id);
  }
}
