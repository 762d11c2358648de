import { Controller, Delete, Get, HttpCode, Param, Put, Query } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { Access, CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { invalidRequest, notFound } from '../http/api-error.js';
import { ApiErrors } from '../api/errors.decorator.js';
import { ApiRecordId, NO_RECORD } from '../records/record-id.js';
import { PageQuery } from '../api/page.dto.js';
import { INVALID_ID, ParseUuid } from '../api/params.js';
import { Item } from '../records/item.dto.js';
import { CollectionPageBody, CollectionsBody, CollectionsQuery } from './collection.dto.js';
import { CollectionsService } from './collections.service.js';

@ApiTags('Sharing and collections')
@ApiExtraModels(Item)
@Controller('api/v1')
export class CollectionsController {
  constructor(private readonly collections: CollectionsService) {}

  @Get('collections.json')
  @Access('sync:read')
  @ApiOperation({ summary: 'List collections', description: 'Every developer has one, `pinned`.' })
  @ApiOkResponse({ type: CollectionsBody, description: 'All collections of the developer.' })
  @ApiErrors(notFound('There is no developer dev-456.'), invalidRequest('property colour should not exist'))
  list(@CurrentCaller() caller: Caller, @Query() query: CollectionsQuery): Promise<CollectionsBody> {
    return this.collections.list(caller, query);
  }

  @Get('collections/:collection_id.json')
  @Access('sync:read')
  @ApiOperation({
    summary: 'Fetch a collection',
    description: 'What the `collection.url` of the feed points to.',
  })
  @ApiParam({
    name: 'collection_id',
    schema: { type: 'integer', minimum: 1, example: 1 },
    description: 'The `id` of a collection.',
  })
  @ApiOkResponse({ type: CollectionPageBody, description: 'A page of the collection.' })
  @ApiErrors(notFound('There is no collection 2.'), invalidRequest('limit must be at most 100'))
  get(
    @CurrentCaller() caller: Caller,
    @Param('collection_id') id: string,
    @Query() query: PageQuery,
  ): Promise<CollectionPageBody> {
    // Ten digits may still be more than an integer of PostgreSQL.
    if (!/^[1-9]\d{0,9}$/.test(id) || Number(id) > 2 ** 31 - 1)
      throw notFound(`There is no collection ${id}.`);
    return this.collections.get(caller, Number(id), query);
  }

  @Put('sync/records/:id/pin')
  @HttpCode(204)
  @Access('sync:write')
  @ApiOperation({
    summary: 'Pin a record',
    description:
      'Puts a record that the caller may read, an own or a shared one, into the `pinned` collection of the caller. Its ' +
      'changes then arrive in the feed of the caller. Pinning twice is no error.',
  })
  @ApiRecordId()
  @ApiNoContentResponse({ description: 'Pinned, now or before.' })
  @ApiErrors(INVALID_ID, NO_RECORD)
  pin(@CurrentCaller() caller: Caller, @Param('id', ParseUuid) id: string): Promise<void> {
    return this.collections.pin(caller, id);
  }

  @Delete('sync/records/:id/pin')
  @HttpCode(204)
  @Access('sync:write')
  @ApiOperation({ summary: 'Unpin a record', description: 'Unpinning what is not pinned is no error.' })
  @ApiRecordId()
  @ApiNoContentResponse({ description: 'Not pinned any more.' })
  @ApiErrors(INVALID_ID, NO_RECORD)
  unpin(@CurrentCaller() caller: Caller, @Param('id', ParseUuid) id: string): Promise<void> {
    return this.collections.unpin(caller, id);
  }
}
