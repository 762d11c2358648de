import { Body, Controller, HttpCode, Param, Post, Put } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { Access } from '../access/access.decorator.js';
import { invalidRequest } from '../http/api-error.js';
import { ApiErrors } from '../api/errors.decorator.js';
import { ParseText } from '../api/params.js';
import { InviteBody, InviteDto, PasswordDto } from './oauth.dto.js';
import { PasswordsService } from './passwords.service.js';

const DeveloperId = () =>
  ApiParam({ name: 'developerId', description: 'The developer. Created if unknown.', example: 'dev-789' });

@ApiTags('People')
@Access('sync:admin')
@Controller('api/v1/developers/:developerId')
export class PasswordsController {
  constructor(private readonly passwords: PasswordsService) {}

  @Put('password')
  @HttpCode(204)
  @ApiOperation({
    summary: 'Set the password of a developer',
    description: 'Ends the logins of the developer, not what the developer has granted.',
  })
  @DeveloperId()
  @ApiNoContentResponse({ description: 'Set.' })
  @ApiErrors(invalidRequest('password is required'), 413, 415)
  set(
    @Param('developerId', ParseText) developerId: string,
    @Body() { password }: PasswordDto,
  ): Promise<void> {
    return this.passwords.set(developerId, password);
  }

  @Post('invites')
  @ApiOperation({
    summary: 'Invite a developer to choose a password',
    description: 'The answer has a link for the developer, and is the only place where it is shown.',
  })
  @DeveloperId()
  @ApiCreatedResponse({ type: InviteBody, description: 'The link.' })
  @ApiErrors(invalidRequest('expiresInSeconds must not be less than 60'), 413, 415)
  async invite(
    @Param('developerId', ParseText) developerId: string,
    @Body() { expiresInSeconds }: InviteDto,
  ): Promise<InviteBody> {
    const { url, expiresAt } = await this.passwords.invite(developerId, expiresInSeconds);
    return { url, expiresAt: expiresAt.toISOString() };
  }
}
