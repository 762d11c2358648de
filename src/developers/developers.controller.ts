import { Body, Controller, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { JsonGet } from '../api/json-get.decorator.js';
import { Endpoint, TextParam } from '../access/endpoint.decorator.js';
import { invalidRequest } from '../http/api-error.js';
import { CurrentUserBody, DeveloperBody, PutDeveloperDto } from './developer.dto.js';
import { DevelopersService } from './developers.service.js';

@ApiTags('Developers')
@Controller('api/v1')
export class DevelopersController {
  constructor(private readonly developers: DevelopersService) {}

  @JsonGet('users/current')
  @Endpoint('sync:read', {
    summary: 'Fetch the current user',
    description: 'The developer of the credential. The configured admin key has none: 403.',
    returns: [200, 'The developer.', CurrentUserBody],
  })
  async current(@CurrentCaller() caller: Caller): Promise<CurrentUserBody> {
    return CurrentUserBody.of(await this.developers.get(caller.ownDeveloper()));
  }

  @Put('developers/:developerId')
  @Endpoint('sync:admin', {
    summary: 'Set the name of a developer',
    description: 'Creates the developer if unknown.',
    returns: [200, 'The updated developer.', DeveloperBody],
    errors: [invalidRequest('name must be a string of 1 to 255 characters, without NUL characters')],
  })
  put(
    @CurrentCaller() caller: Caller,
    @TextParam('developerId', 'Id of the developer.', 'dev-789') developerId: string,
    @Body() { name }: PutDeveloperDto,
  ): Promise<DeveloperBody> {
    return this.developers.rename(caller, developerId, name);
  }
}
