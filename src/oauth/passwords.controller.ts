import { Body, Controller, Post, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CurrentCaller } from '../access/access.decorator.js';
import type { Caller } from '../access/caller.js';
import { Endpoint, TextParam } from '../access/endpoint.decorator.js';
import { invalidRequest } from '../http/api-error.js';
import { InviteBody, InviteDto, PasswordDto } from './password.dto.js';
import { EASY, PasswordsService } from './passwords.service.js';

const DeveloperId = () => TextParam('developerId', 'The developer. Created if unknown.', 'dev-789');

@ApiTags('Accounts')
@Controller('api/v1/developers/:developerId')
export class PasswordsController {
  constructor(private readonly passwords: PasswordsService) {}

  @Put('password')
  @Endpoint('sync:admin', {
    summary: 'Set the password of a developer',
    description:
      'Ends all logins (also half-done ones), invite links and known devices of the developer. Grants stay.',
    returns: [204, 'The password is set.'],
    errors: [invalidRequest('password is required'), invalidRequest(EASY)],
  })
  set(
    @CurrentCaller() caller: Caller,
    @DeveloperId() developerId: string,
    @Body() { password }: PasswordDto,
  ): Promise<void> {
    return this.passwords.set(caller, developerId, password);
  }

  @Post('invites')
  @Endpoint('sync:admin', {
    summary: 'Invite a developer to choose a password',
    description: 'Returns a link for the developer, which works once. Only this response contains it.',
    returns: [201, 'The link.', InviteBody],
    errors: [invalidRequest('expiresInSeconds must not be less than 60')],
  })
  async invite(
    @CurrentCaller() caller: Caller,
    @DeveloperId() developerId: string,
    @Body() { expiresInSeconds }: InviteDto,
  ): Promise<InviteBody> {
    const { url, expiresAt } = await this.passwords.invite(caller, developerId, expiresInSeconds);
    return { url, expiresAt: expiresAt.toISOString() };
  }
}
