import { Controller, Get, Param } from '@nestjs/common';
import {
  ApiExtraModels,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import { Access, CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { notFound } from '../http/api-error.js';
import { ApiErrors } from '../api/errors.decorator.js';
import { Item, type ItemBody, itemBodyOf } from './item.dto.js';
import { RecordsService } from './records.service.js';
import { assetOf, itemTypeOf } from './resource-type.js';

/** What the `item_url` of the feed points to. */
@ApiTags('Sync feed')
@ApiExtraModels(Item)
@Controller('api/v1')
export class ItemsController {
  constructor(private readonly records: RecordsService) {}

  @Get(':assets/:item_id.json')
  @Access('sync:read')
  @ApiOperation({
    summary: 'Fetch an item of the feed',
    description: 'The current content of a record under its type, at the `item_url` that the feed gives.',
  })
  @ApiParam({ name: 'assets', description: 'Plural of the item type.', example: 'routes' })
  @ApiParam({
    name: 'item_id',
    description: 'The `item_id` of the feed.',
    schema: { type: 'integer', minimum: 1, example: 217 },
  })
  @ApiOkResponse({
    description: 'One member, named after the item type.',
    schema: { type: 'object', additionalProperties: { $ref: getSchemaPath(Item) } },
  })
  @ApiErrors(notFound('There is no item routes/217.'))
  async get(
    @CurrentCaller() caller: Caller,
    @Param('assets') assets: string,
    @Param('item_id') itemId: string,
  ): Promise<ItemBody> {
    if (!/^[1-9]\d{0,14}$/.test(itemId)) throw notFound(`There is no item ${assets}/${itemId}.`);
    const record = await this.records.getItem(caller, Number(itemId));
    if (assetOf(itemTypeOf(record.resourceType)) !== assets)
      throw notFound(`There is no item ${assets}/${itemId}.`);
    return itemBodyOf(record);
  }
}
