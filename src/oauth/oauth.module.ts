import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ClientsModule } from '../clients/clients.module.js';
import { DevelopersModule } from '../developers/developers.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { AuthorizationServer } from './authorization-server.js';
import { Interactions } from './interactions.js';
import { Invite } from './invite.entity.js';
import { Password } from './password.entity.js';
import { PasswordsController } from './passwords.controller.js';
import { PasswordsService } from './passwords.service.js';
import { ThrottleService } from './login-throttle.service.js';

/** The built-in authorization server (OAuth 2.0), and how people log in to it. */
@Module({
  imports: [TypeOrmModule.forFeature([Password, Invite]), ClientsModule, DevelopersModule, TokensModule],
  controllers: [PasswordsController],
  providers: [AuthorizationServer, Interactions, PasswordsService, ThrottleService],
})
export class OAuthModule {}
