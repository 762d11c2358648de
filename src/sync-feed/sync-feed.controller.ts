import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Readable } from 'node:stream';
import { Access, CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { invalidRequest, missingParameter, notFound } from '../http/api-error.js';
import { ApiErrors, documentHeaders } from '../api/errors.decorator.js';
import { isNotModified } from '../http/etag.js';
import { JSON_TYPE } from '../http/json-body.js';
import { invalidSince } from './since.js';
import { SYNC_EXAMPLE } from './sync-example.js';
import { SyncBody } from './sync-feed.dto.js';
import { SyncQuery } from './sync-query.js';
import { SYNC_PATH, SyncFeedService } from './sync-feed.service.js';

@ApiTags('Sync feed')
@Controller(SYNC_PATH)
export class SyncFeedController {
  constructor(private readonly feed: SyncFeedService) {}

  @Get()
  @Access('sync:read')
  @ApiOperation({
    summary: 'Changes since a datetime',
    description:
      'Every change in the library after `since`, oldest first. Store `meta.rwgps_datetime` and send it as the next ' +
      '`since`, or request `meta.next_sync_url` as it is: nothing is missed and nothing comes twice.\n\n' +
      '- Initial sync, the whole library: `GET /api/v1/sync.json?since=1970-01-01T00:00:00Z&assets=routes,trips`\n' +
      '- Incremental sync: `GET /api/v1/sync.json?since=2024-09-09T22:53:52+00:00&assets=routes,trips`\n' +
      '- Routes only: `GET /api/v1/sync.json?since=2024-09-01T00:00:00Z&assets=routes`\n' +
      '- Trips only: `GET /api/v1/sync.json?since=2024-09-01T00:00:00Z&assets=trips`',
  })
  @ApiHeader({
    name: 'If-None-Match',
    required: false,
    description: 'ETag of the last answer: 304 if nothing is new.',
  })
  @ApiOkResponse({
    type: SyncBody,
    description: 'The changes; `items` is empty when there are none.',
    headers: documentHeaders({
      ETag: 'State of the feed.',
      'Cache-Control': '`private, no-cache`: ask again, with If-None-Match.',
    }),
    examples: { sync: { summary: '?since=2024-09-01T00:00:00Z&assets=routes,trips', value: SYNC_EXAMPLE } },
  })
  @ApiResponse({
    status: 304,
    description: 'Nothing has happened since the answer with this ETag.',
    headers: documentHeaders({ ETag: 'State of the feed.' }),
  })
  @ApiErrors(
    invalidSince(),
    invalidRequest('limit must be at most 10000'),
    notFound('There is no developer dev-404.'),
    missingParameter('since'),
  )
  async sync(
    @CurrentCaller() caller: Caller,
    @Query() query: SyncQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string | Readable | undefined> {
    const { etag, body } = await this.feed.sync(caller, query);
    void reply.headers({ ETag: etag, 'Cache-Control': 'private, no-cache', Vary: 'Authorization' });
    if (isNotModified(request, etag)) {
      void reply.status(304);
      return undefined;
    }
    void reply.type(JSON_TYPE);
    return body();
  }
}
