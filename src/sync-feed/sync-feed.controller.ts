import { Controller, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Readable } from 'node:stream';
import { type AdmittedRequest, TakesOwnTurns } from '../access/admission.interceptor.js';
import { CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { Endpoint } from '../access/endpoint.decorator.js';
import { documentHeaders } from '../api/errors.decorator.js';
import { JsonGet } from '../api/json-get.decorator.js';
import { ApiIfNoneMatch } from '../api/etag.decorator.js';
import { invalidRequest, missingParameter, notFound } from '../http/api-error.js';
import { varyOn } from '../http/cors.js';
import { JSON_TYPE } from '../http/json-body.js';
import { feedRead } from '../signals/signals.js';
import { cursorExpired, cursorLost } from './cursor-errors.js';
import { EventStream, wantsEvents } from './event-stream.js';
import { LongPoll } from './long-poll.js';
import { invalidSince } from './since.js';
import { SyncBody } from './sync-answer.js';
import { DIGEST_EXAMPLE, SYNC_EXAMPLE } from './sync-example.js';
import { SyncFeedService } from './sync-feed.service.js';
import { SyncQuery } from './sync-query.js';

const ETAG = 'State of the feed.';

const VARY = varyOn('Authorization, Accept, Prefer');

const RESYNC_URL = 'https://sync.example.com/api/v1/sync.json?since=1970-01-01T00%3A00%3A00Z&compact=true';

@ApiTags('Sync feed')
@Controller('api/v1')
export class SyncFeedController {
  constructor(
    private readonly feed: SyncFeedService,
    private readonly longPoll: LongPoll,
    private readonly eventStream: EventStream,
  ) {}

  @JsonGet('sync')
  @Endpoint('sync:read', {
    summary: 'Changes since a datetime',
    description:
      'Every change in the library after `since`, oldest first. Store `meta.rwgps_datetime` and send it as ' +
      'the next `since`, or request `meta.next_sync_url`: no change is missed, and none comes twice.\n\n' +
      '- Initial sync, the whole library: ' +
      '`GET /api/v1/sync.json?since=1970-01-01T00:00:00Z&assets=routes,trips`\n' +
      '- Incremental sync: `GET /api/v1/sync.json?since=2024-09-09T22:53:52+00:00&assets=routes,trips`\n' +
      '- Routes only: `GET /api/v1/sync.json?since=2024-09-01T00:00:00Z&assets=routes`\n' +
      '- Trips only: `GET /api/v1/sync.json?since=2024-09-01T00:00:00Z&assets=trips`\n' +
      '- Live: `wait=50` holds an empty answer until there is a change. `Accept: text/event-stream` makes the ' +
      'answer a stream of server-sent events: each has a page as `data` and its cursor as `id`.',
    returns: [200, 'The changes; `items` is empty if there are none.', SyncBody],
    answer: {
      headers: documentHeaders({
        ETag: ETAG,
        'Cache-Control': '`private, no-cache`: revalidate with If-None-Match.',
      }),
      examples: {
        sync: { summary: '?since=2024-09-01T00:00:00Z&assets=routes,trips', value: SYNC_EXAMPLE },
        digest: {
          summary: '?since=2024-09-09T22:53:52Z&assets=routes,trips&digest=true',
          value: DIGEST_EXAMPLE,
        },
      },
    },
    errors: [
      invalidSince(),
      invalidRequest('limit must be at most 10000'),
      notFound('There is no developer dev-404.'),
      cursorLost(RESYNC_URL),
      cursorExpired(RESYNC_URL),
      missingParameter('since'),
    ],
  })
  @TakesOwnTurns()
  @ApiIfNoneMatch(ETAG)
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'Of an event stream: the last `id`.' })
  async sync(
    @CurrentCaller() caller: Caller,
    @Query() query: SyncQuery,
    @Req() request: AdmittedRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string | Readable | undefined> {
    if (wantsEvents(request)) return this.eventStream.open(caller, query, request, reply);
    const { sync, first } = await this.longPoll.read(caller, query, request, reply);
    void reply.headers({ ETag: sync.etag, 'Cache-Control': 'private, no-cache', Vary: VARY });
    if (first === undefined) {
      feedRead.publish({ isCompact: sync.isCompact, result: 'not_modified' });
      void reply.status(304);
      return undefined;
    }
    void reply.type(JSON_TYPE);
    return this.feed.answer(sync, first, request.answer);
  }
}
