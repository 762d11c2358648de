import {
  Body,
  Controller,
  Delete,
  Get,
  Header,
  Headers,
  HttpCode,
  Param,
  Patch,
  Post,
  Query,
  Req,
  Res,
} from '@nestjs/common';
import {
  ApiBody,
  ApiCreatedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiResponse,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Access, CurrentCaller } from '../access/access.decorator.js';
import { Caller } from '../access/caller.js';
import { ApiError, invalidRequest } from '../http/api-error.js';
import { ApiErrors, documentHeaders } from '../api/errors.decorator.js';
import { ApiRecordId, NO_RECORD } from './record-id.js';
import { config } from '../config.js';
import { isNotModified } from '../http/etag.js';
import { JSON_TYPE } from '../http/json-body.js';
import { INVALID_ID, ParseUuid } from '../api/params.js';
import {
  CREATE_EXAMPLES,
  CreateRecordDto,
  RecordBody,
  RecordPageBody,
  RecordsQuery,
  UPDATE_EXAMPLES,
  UpdateRecordDto,
} from './record.dto.js';
import type { SyncRecord } from './record.entity.js';
import { RecordsService } from './records.service.js';

const RECORDS = 'api/v1/sync/records';

const ETAG = { ETag: 'Version of the record (RFC 9110).' };
/** Errors as they can look here. */
const INVALID_JSON = new ApiError(400, 'invalid_json', 'Invalid JSON', 'The body is not valid UTF-8.');
const CONFLICT = new ApiError(
  409,
  'conflict',
  'Conflict',
  'A record with this developerId, resourceType and resourceKey exists already.',
);
const STALE = new ApiError(
  412,
  'precondition_failed',
  'Precondition failed',
  'The current version is "m8xq1w2e".',
);

const ApiIfMatch = () =>
  ApiHeader({
    name: 'If-Match',
    required: false,
    description: 'ETag that the record must still have, else 412.',
  });

/** spec/records-api.md, section 2. */
@ApiTags('Records')
@Controller(RECORDS)
export class RecordsController {
  constructor(private readonly records: RecordsService) {}

  @Get()
  @Access('sync:read')
  @ApiOperation({
    summary: 'List records',
    description: 'A paginated list of the records that match, in order of creation.',
  })
  @ApiOkResponse({ type: RecordPageBody, description: 'One page of records.' })
  @ApiErrors(invalidRequest('limit must be at most 100'))
  @Header('Content-Type', JSON_TYPE)
  list(@CurrentCaller() caller: Caller, @Query() query: RecordsQuery): Promise<string> {
    return this.records.list(caller, query);
  }

  @Get(':id')
  @Access('sync:read')
  @ApiOperation({ summary: 'Fetch a single record', description: 'The complete record.' })
  @ApiRecordId()
  @ApiHeader({ name: 'If-None-Match', required: false, description: 'ETag of the copy that the client has.' })
  @ApiOkResponse({ type: RecordBody, description: 'The record.', headers: documentHeaders(ETAG) })
  @ApiResponse({
    status: 304,
    description: 'The record still has the ETag in If-None-Match.',
    headers: documentHeaders(ETAG),
  })
  @ApiErrors(INVALID_ID, NO_RECORD)
  async get(
    @CurrentCaller() caller: Caller,
    @Param('id', ParseUuid) id: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string | undefined> {
    const { etag, body } = await this.records.get(caller, id);
    void reply.header('ETag', etag);
    if (isNotModified(request, etag)) {
      void reply.status(304);
      return undefined;
    }
    void reply.type(JSON_TYPE);
    return body;
  }

  @Post()
  @Access('sync:write')
  @ApiOperation({
    summary: 'Create a record',
    description: 'An admin may write for any developer; one that is unknown so far is created.',
  })
  @ApiBody({ type: CreateRecordDto, examples: CREATE_EXAMPLES })
  @ApiCreatedResponse({
    type: RecordBody,
    description: 'The new record.',
    headers: documentHeaders({ ...ETAG, Location: 'URL of the record.' }),
  })
  @ApiErrors(
    invalidRequest('resourceKey is required; property color should not exist'),
    INVALID_JSON,
    CONFLICT,
    413,
    415,
  )
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
  @Access('sync:write')
  @ApiOperation({
    summary: 'Update a record',
    description:
      'Replaces `data`, `status` and `metadata` where given; all other fields are immutable. A request that ' +
      'changes nothing leaves `updatedAt` and the feed alone.',
  })
  @ApiRecordId()
  @ApiIfMatch()
  @ApiBody({ type: UpdateRecordDto, examples: UPDATE_EXAMPLES })
  @ApiOkResponse({
    type: RecordBody,
    description: 'The complete, updated record.',
    headers: documentHeaders(ETAG),
  })
  @ApiErrors(
    invalidRequest('property developerId should not exist'),
    INVALID_JSON,
    NO_RECORD,
    STALE,
    413,
    415,
  )
  async update(
    @CurrentCaller() caller: Caller,
    @Param('id', ParseUuid) id: string,
    @Body() dto: UpdateRecordDto,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RecordBody> {
    return respond(reply, await this.records.update(caller, id, dto, ifMatch));
  }

  @Delete(':id')
  @HttpCode(204)
  @Access('sync:write')
  @ApiOperation({ summary: 'Delete a record', description: 'The feed keeps telling that it was deleted.' })
  @ApiRecordId()
  @ApiIfMatch()
  @ApiNoContentResponse({ description: 'Deleted.' })
  @ApiErrors(INVALID_ID, NO_RECORD, STALE)
  remove(
    @CurrentCaller() caller: Caller,
    @Param('id', ParseUuid) id: string,
    @Headers('if-match') ifMatch: string | undefined,
  ): Promise<void> {
    return this.records.remove(caller, id, ifMatch);
  }
}

function respond(reply: FastifyReply, record: SyncRecord): RecordBody {
  void reply.header('ETag', record.etag);
  return RecordBody.of(record);
}
