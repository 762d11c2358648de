import { Controller, Get } from '@nestjs/common';
import { ApiExtraModels, ApiTags, getSchemaPath } from '@nestjs/swagger';
import { AnswersRecord, TakesOwnTurns } from '../access/admission.interceptor.js';
import { CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { Endpoint, NumberParam, PathParam } from '../access/endpoint.decorator.js';
import { notFound } from '../http/api-error.js';
import { Item, type ItemBody, itemBodyOf } from './item.dto.js';
import { RecordsService } from './records.service.js';
import { assetOf, itemTypeOf } from '../api/resource-type.js';

/** Pages of items: the target of `item_url` in the feed. */
@ApiTags('Sync feed')
@ApiExtraModels(Item)
@Controller('api/v1')
export class ItemsController {
  constructor(private readonly records: RecordsService) {}

  @Get(':assets/:item_id.json')
  @Endpoint('sync:read', {
    summary: 'Fetch an item of the feed',
    description: 'The current content of a record, at the `item_url` of the feed.',
    returns: [200, 'One member, named after the item type.'],
    answer: { schema: { type: 'object', additionalProperties: { $ref: getSchemaPath(Item) } } },
    errors: [notFound('There is no item routes/217.')],
  })
  @TakesOwnTurns()
  @AnswersRecord()
  async get(
    @CurrentCaller() caller: Caller,
    @PathParam('assets', { description: 'Plural of the item type.', example: 'routes' }) assets: string,
    @NumberParam('item_id', 'The `item_id` of the feed.', 217) itemId: string,
  ): Promise<ItemBody> {
    const isId = /^[1-9]\d{0,14}$/.test(itemId);
    const record = isId ? await this.records.findItem(caller, Number(itemId)) : null;
    if (!record || assetOf(itemTypeOf(record.resourceType)) !== assets)
      throw notFound(`There is no item ${assets}/${itemId}.`);
    return itemBodyOf(record);
  }
}
