import { applyDecorators, Controller, Delete, Get, HttpCode, Param, Put, Query } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { Access, CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { notFound } from '../http/api-error.js';
import { ApiErrors } from '../api/errors.decorator.js';
import { ApiRecordId, NO_RECORD } from './record-id.js';
import { PageQuery } from '../api/page.dto.js';
import { ParseText } from '../api/params.js';
import { INVALID_ID, ParseUuid } from '../api/params.js';
import { SharePageBody } from './share.dto.js';
import { SharesService } from './shares.service.js';

const ApiShare = () =>
  applyDecorators(
    ApiRecordId(),
    ApiParam({ name: 'developerId', description: 'The developer who may read it.', example: 'dev-456' }),
    ApiErrors(INVALID_ID, NO_RECORD, notFound('There is no developer dev-456.')),
  );

@ApiTags('Sharing and collections')
@Controller('api/v1/sync/records/:id/shares')
export class SharesController {
  constructor(private readonly shares: SharesService) {}

  @Get()
  @Access('sync:read')
  @ApiOperation({ summary: 'List who may read a record', description: 'For its owner, and for admins.' })
  @ApiRecordId()
  @ApiOkResponse({ type: SharePageBody, description: 'A page of those who may read the record.' })
  @ApiErrors(INVALID_ID, NO_RECORD)
  list(
    @CurrentCaller() caller: Caller,
    @Param('id', ParseUuid) id: string,
    @Query() query: PageQuery,
  ): Promise<SharePageBody> {
    return this.shares.list(caller, id, query);
  }

  @Put(':developerId')
  @HttpCode(204)
  @Access('sync:write')
  @ApiOperation({
    summary: 'Share a record',
    description:
      'Lets another developer read this record, by its id and its item page, and pin it. It does not show up in that ' +
      "developer's list of records. Sharing twice is no error.",
  })
  @ApiShare()
  @ApiNoContentResponse({ description: 'Shared, now or before.' })
  grant(
    @CurrentCaller() caller: Caller,
    @Param('id', ParseUuid) id: string,
    @Param('developerId', ParseText) developerId: string,
  ): Promise<void> {
    return this.shares.grant(caller, id, developerId);
  }

  @Delete(':developerId')
  @HttpCode(204)
  @Access('sync:write')
  @ApiOperation({
    summary: 'Stop sharing a record',
    description:
      'Takes effect at once. If the developer had pinned the record, `removed` arrives in that feed. Revoking what is ' +
      'not shared is no error.',
  })
  @ApiShare()
  @ApiNoContentResponse({ description: 'Not shared any more.' })
  revoke(
    @CurrentCaller() caller: Caller,
    @Param('id', ParseUuid) id: string,
    @Param('developerId', ParseText) developerId: string,
  ): Promise<void> {
    return this.shares.revoke(caller, id, developerId);
  }
}
