import { Body, Controller, Get, Param, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { invalidRequest } from '../http/api-error.js';
import { ApiErrors } from '../api/errors.decorator.js';
import { ParseText } from '../api/params.js';
import { Access, CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { CurrentUserBody, DeveloperBody, PutDeveloperDto } from './developer.dto.js';
import { DevelopersService } from './developers.service.js';

@ApiTags('Developers')
@Controller('api/v1')
export class DevelopersController {
  constructor(private readonly developers: DevelopersService) {}

  @Get('users/current.json')
  @Access('sync:read')
  @ApiOperation({
    summary: 'Who am I?',
    description:
      'The developer that the credential acts for. The admin key of the settings acts for none: 403.',
  })
  @ApiOkResponse({ type: CurrentUserBody, description: 'The developer.' })
  @ApiErrors()
  async current(@CurrentCaller() caller: Caller): Promise<CurrentUserBody> {
    return CurrentUserBody.of(await this.developers.get(caller.ownDeveloper().developerId));
  }

  @Put('developers/:developerId')
  @Access('sync:admin')
  @ApiOperation({ summary: 'Name a developer', description: 'Creates the developer if unknown.' })
  @ApiParam({ name: 'developerId', description: 'The developer.', example: 'dev-789' })
  @ApiOkResponse({ type: DeveloperBody, description: 'The developer as it is now.' })
  @ApiErrors(invalidRequest('name must be a string of 1 to 255 characters, without NUL characters'), 413, 415)
  put(
    @Param('developerId', ParseText) developerId: string,
    @Body() { name }: PutDeveloperDto,
  ): Promise<DeveloperBody> {
    return this.developers.rename(developerId, name);
  }
}
