import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuthModule } from '../auth/auth.module.js';
import { AuthorizationServer } from './authorization-server.js';
import { Interactions } from './interactions.js';
import { Invite } from './invite.entity.js';
import { Password } from './password.entity.js';
import { PasswordsController } from './passwords.controller.js';
import { PasswordsService } from './passwords.service.js';
import { SigningKeysController } from './signing-keys.controller.js';
import { ThrottleService } from './throttle.service.js';

/** The built-in authorization server (OAuth 2.0), and how people log in to it. */
@Module({
  imports: [TypeOrmModule.forFeature([Password, Invite]), AuthModule],
  controllers: [PasswordsController, SigningKeysController],
  providers: [AuthorizationServer, Interactions, PasswordsService, ThrottleService],
})
export class OAuthModule {}
