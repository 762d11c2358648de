import { Controller, Delete, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { Endpoint, TextParam } from '../access/endpoint.decorator.js';
import { invalidRequest, notFound } from '../http/api-error.js';
import { GRANT_EXAMPLE, GrantPageBody, GrantsQuery } from './grant.dto.js';
import { GrantsService } from './grants.service.js';

@ApiTags('Grants')
@Controller('api/v1/grants')
export class GrantsController {
  constructor(private readonly grants: GrantsService) {}

  @Get()
  @Endpoint('sync:read', {
    summary: 'List grants',
    description:
      'Access that developers have given to applications: your own grants; for admins those of all ' +
      'developers. Oldest first. Applications cannot list them.',
    returns: [200, 'One page of grants.', GrantPageBody],
    errors: [invalidRequest('limit must be at most 100')],
  })
  list(@CurrentCaller() caller: Caller, @Query() query: GrantsQuery): Promise<GrantPageBody> {
    return this.grants.list(caller, query);
  }

  @Delete(':id')
  @Endpoint('sync:write', {
    summary: 'Withdraw a grant',
    description:
      'Ends all tokens of the grant: at once in the process that answers, within 5 seconds in all others.',
    returns: [204, 'Withdrawn.'],
    errors: [
      invalidRequest('The name in the URL must have 1 to 255 characters.'),
      notFound(`There is no grant ${GRANT_EXAMPLE}.`),
    ],
  })
  withdraw(
    @CurrentCaller() caller: Caller,
    @TextParam('id', 'The `id` of the grant.', GRANT_EXAMPLE) id: string,
  ): Promise<void> {
    return this.grants.withdraw(caller, id);
  }
}
