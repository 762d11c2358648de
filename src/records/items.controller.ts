import { Controller, Header, Query, Req } from '@nestjs/common';
import { ApiExtraModels, ApiTags, getSchemaPath } from '@nestjs/swagger';
import type { Readable } from 'node:stream';
import { type AdmittedRequest, AnswersRecord, TakesOwnTurns } from '../access/admission.interceptor.js';
import { CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { Endpoint, NumberParam, PathParam } from '../access/endpoint.decorator.js';
import { JsonGet } from '../api/json-get.decorator.js';
import { invalidRequest, notFound } from '../http/api-error.js';
import { JSON_TYPE } from '../http/json-body.js';
import { Item, ItemPageBody, ItemsQuery } from './item.dto.js';
import { ItemsService } from './items.service.js';

const ASSETS = { description: 'Plural of the item type.', example: 'routes' };

/** Pages of items: the target of `item_url` in the feed. */
@ApiTags('Sync feed')
@ApiExtraModels(Item)
@Controller('api/v1')
export class ItemsController {
  constructor(private readonly items: ItemsService) {}

  @JsonGet(':assets')
  @Endpoint('sync:read', {
    summary: 'List the items of a type',
    description:
      'A page of the own items of a type, in order of creation, each as on its item page. To keep a copy, use the ' +
      'feed instead.',
    returns: [200, 'A page of items.', ItemPageBody],
    errors: [invalidRequest('limit must be at most 100'), notFound('There is no type of items users.')],
  })
  @TakesOwnTurns()
  @Header('Content-Type', JSON_TYPE)
  list(
    @CurrentCaller() caller: Caller,
    @PathParam('assets', ASSETS) assets: string,
    @Query() query: ItemsQuery,
    @Req() { answer }: AdmittedRequest,
  ): Promise<string | Readable> {
    return this.items.list(caller, assets, query, answer);
  }

  @JsonGet(':assets/:item_id')
  @Endpoint('sync:read', {
    summary: 'Fetch an item of the feed',
    description:
      'The current content of a record, at the `item_url` of the feed. The members of `data` are beside those of ' +
      'the item, too, unless it has one of the same name.',
    returns: [200, 'One member, named after the item type.'],
    answer: { schema: { type: 'object', additionalProperties: { $ref: getSchemaPath(Item) } } },
    errors: [notFound('There is no item routes/217.')],
  })
  @TakesOwnTurns()
  @AnswersRecord()
  @Header('Content-Type', JSON_TYPE)
  async get(
    @CurrentCaller() caller: Caller,
    @PathParam('assets', ASSETS) assets: string,
    @NumberParam('item_id', 'The `item_id` of the feed.', 217) itemId: string,
    @Req() { answer }: AdmittedRequest,
  ): Promise<string> {
    const isId = /^[1-9]\d{0,14}$/.test(itemId);
    const item = isId ? await this.items.find(caller, assets, Number(itemId), answer) : undefined;
    if (item === undefined) throw notFound(`There is no item ${assets}/${itemId}.`);
    return item;
  }
}
