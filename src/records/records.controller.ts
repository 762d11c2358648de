import { Body, Controller, Delete, Get, Header, Headers, Patch, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBody, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { Readable } from 'node:stream';
import { type AdmittedRequest, AnswersRecord, TakesOwnTurns } from '../access/admission.interceptor.js';
import { CurrentCaller } from '../access/access.decorator.js';
import { Caller } from '../access/caller.js';
import { Endpoint, IdParam } from '../access/endpoint.decorator.js';
import { documentHeaders } from '../api/errors.decorator.js';
import { ApiIfMatch, ApiIfNoneMatch } from '../api/etag.decorator.js';
import { INVALID_ID } from '../api/params.js';
import { config } from '../config.js';
import { ApiError, invalidRequest } from '../http/api-error.js';
import { isNotModified } from '../http/etag.js';
import { JSON_TYPE } from '../http/json-body.js';
import { QUOTA_EXCEEDED } from './library-size.js';
import { NO_RECORD, RECORD_EXISTS } from './record-errors.js';
import { CREATE_EXAMPLES, UPDATE_EXAMPLES } from './record-examples.js';
import { CreateRecordDto, RecordBody, RecordPageBody, RecordsQuery, UpdateRecordDto } from './record.dto.js';
import type { SyncRecord } from './record.entity.js';
import { RecordsService } from './records.service.js';

const RECORDS = 'api/v1/sync/records';

const ETAG = { ETag: 'Version of the record (RFC 9110).' };

const INVALID_JSON = new ApiError(400, 'invalid_json', 'Invalid JSON', 'The body is not valid UTF-8.');
const STALE = new ApiError(
  412,
  'precondition_failed',
  'Precondition failed',
  'The current version is "m8xq1w2e".',
);

/** spec/records-api.md, section 2. */
@ApiTags('Records')
@Controller(RECORDS)
export class RecordsController {
  constructor(private readonly records: RecordsService) {}

  @Get()
  @Endpoint('sync:read', {
    summary: 'List records',
    description: 'A page of the records that match all filters, in order of creation.',
    returns: [200, 'A page of records.', RecordPageBody],
    errors: [invalidRequest('limit must be at most 100')],
  })
  @TakesOwnTurns()
  @Header('Content-Type', JSON_TYPE)
  list(
    @CurrentCaller() caller: Caller,
    @Query() query: RecordsQuery,
    @Req() { answer }: AdmittedRequest,
  ): Promise<string | Readable> {
    return this.records.list(caller, query, answer);
  }

  @Get(':id')
  @Endpoint('sync:read', {
    summary: 'Fetch a record',
    description: 'The complete record: an own one, or one that is shared with the developer.',
    returns: [200, 'The record.', RecordBody],
    answer: { headers: documentHeaders(ETAG) },
    errors: [INVALID_ID, NO_RECORD],
  })
  @TakesOwnTurns()
  @ApiIfNoneMatch(ETAG.ETag)
  async get(
    @CurrentCaller() caller: Caller,
    @IdParam('Id of the record.') id: string,
    @Req() request: AdmittedRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string | undefined> {
    const { etag, body } = await this.records.get(caller, id, request.answer);
    void reply.header('ETag', etag);
    if (isNotModified(request, etag)) {
      void reply.status(304);
      return undefined;
    }
    void reply.type(JSON_TYPE);
    return body;
  }

  @Post()
  @Endpoint('sync:write', {
    summary: 'Create a record',
    description: 'Admins create records for any developer. An unknown developer is created.',
    returns: [201, 'The new record.', RecordBody],
    answer: { headers: documentHeaders({ ...ETAG, Location: 'URL of the record.' }) },
    errors: [
      invalidRequest('resourceKey is required; property color should not exist'),
      INVALID_JSON,
      QUOTA_EXCEEDED,
      RECORD_EXISTS,
    ],
  })
  @TakesOwnTurns()
  @ApiBody({ type: CreateRecordDto, examples: CREATE_EXAMPLES })
  async create(
    @CurrentCaller() caller: Caller,
    @Body() dto: CreateRecordDto,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RecordBody> {
    const record = await this.records.create(caller, dto);
    void reply.header('Location', `${config.PUBLIC_URL}/${RECORDS}/${record.id}`);
    return respond(reply, record);
  }

  @Patch(':id')
  @Endpoint('sync:write', {
    summary: 'Update a record',
    description:
      'Replaces the given fields: `data`, `status` and `metadata`. All other fields are immutable. A ' +
      'request that changes nothing leaves `updatedAt` and the feed unchanged.',
    returns: [200, 'The complete, updated record.', RecordBody],
    answer: { headers: documentHeaders(ETAG) },
    errors: [
      invalidRequest('property developerId should not exist'),
      INVALID_JSON,
      QUOTA_EXCEEDED,
      NO_RECORD,
      STALE,
    ],
  })
  @TakesOwnTurns()
  @AnswersRecord()
  @ApiIfMatch()
  @ApiBody({ type: UpdateRecordDto, examples: UPDATE_EXAMPLES })
  async update(
    @CurrentCaller() caller: Caller,
    @IdParam('Id of the record.') id: string,
    @Body() dto: UpdateRecordDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RecordBody> {
    return respond(reply, await this.records.update(caller, id, dto, ifMatch));
  }

  @Delete(':id')
  @Endpoint('sync:write', {
    summary: 'Delete a record',
    description: 'The feed keeps the `deleted` event.',
    returns: [204, 'The record is deleted.'],
    errors: [INVALID_ID, NO_RECORD, STALE],
  })
  @TakesOwnTurns()
  @ApiIfMatch()
  remove(
    @CurrentCaller() caller: Caller,
    @IdParam('Id of the record.') id: string,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<void> {
    return this.records.remove(caller, id, ifMatch);
  }
}

function respond(reply: FastifyReply, record: SyncRecord): RecordBody {
  void reply.header('ETag', record.etag);
  return RecordBody.of(record);
}
