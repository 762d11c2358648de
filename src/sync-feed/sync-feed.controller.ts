import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Readable } from 'node:stream';
import { Access, CurrentCaller } from '../auth/access.decorator.js';
import type { Caller } from '../auth/caller.js';
import { ErrorBody } from '../common/api-error.js';
import { ApiErrors } from '../common/api-errors.decorator.js';
import { isNotModified } from '../common/etag.js';
import { SyncBody, SyncQuery } from './sync-feed.dto.js';
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
      '`since`, or request `meta.next_sync_url` as it is: nothing is missed and nothing comes twice.',
  })
  @ApiHeader({
    name: 'If-None-Match',
    required: false,
    description: 'ETag of the last answer: 304 if nothing is new.',
  })
  @ApiOkResponse({
    type: SyncBody,
    headers: {
      ETag: { description: 'State of the feed.', schema: { type: 'string' } },
      'Cache-Control': { schema: { type: 'string', example: 'private, no-cache' } },
    },
  })
  @ApiResponse({ status: 304, description: 'Nothing has happened since the answer with this ETag.' })
  @ApiResponse({
    status: 400,
    type: ErrorBody,
    description: 'Invalid `since`, or another invalid or unknown parameter.',
    example: {
      error: 'Invalid since parameter format',
      details: 'Expected ISO8601 datetime format (e.g., 2024-09-01T00:00:00Z)',
      code: 'invalid_since',
    },
  })
  @ApiErrors(404, 422)
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
    void reply.type('application/json; charset=utf-8');
    return body();
  }
}
