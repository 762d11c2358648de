import { Controller, Delete, Get, HttpCode, Param, Query } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { invalidRequest, notFound } from '../http/api-error.js';
import { ApiErrors } from '../api/errors.decorator.js';
import { ParseText } from '../api/params.js';
import { Access, CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { GrantPageBody, GrantsQuery } from './grant.dto.js';
import { GrantsService } from './grants.service.js';

@ApiTags('Grants')
@Controller('api/v1/grants')
export class GrantsController {
  constructor(private readonly grants: GrantsService) {}

  @Get()
  @Access('sync:read')
  @ApiOperation({
    summary: 'List grants',
    description: 'What a developer lets applications do, oldest first. Applications cannot see it.',
  })
  @ApiOkResponse({ type: GrantPageBody, description: 'One page of grants.' })
  @ApiErrors(invalidRequest('limit must be at most 100'))
  list(@CurrentCaller() caller: Caller, @Query() query: GrantsQuery): Promise<GrantPageBody> {
    return this.grants.list(caller, query);
  }

  @Delete(':id')
  @HttpCode(204)
  @Access('sync:write')
  @ApiOperation({
    summary: 'Withdraw a grant',
    description:
      'The tokens of the application stop working: at once in the process that answers, and within 5 seconds in all ' +
      'others.',
  })
  @ApiParam({ name: 'id', description: 'The `id` of the grant.' })
  @ApiNoContentResponse({ description: 'Withdrawn.' })
  @ApiErrors(
    invalidRequest('The name in the URL must have 1 to 255 characters.'),
    notFound('There is no grant nL8VSVVsSaMKDZhdkb1Ny4ukFJ-i2XcVmbhyWAbJ5jB.'),
  )
  withdraw(@CurrentCaller() caller: Caller, @Param('id', ParseText) id: string): Promise<void> {
    return this.grants.withdraw(caller, id);
  }
}
