import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { PassportModule } from '@nestjs/passport';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccessGuard } from './access.guard.js';
import { AccessTokensService } from './access-tokens.service.js';
import { ApiClient } from './api-client.entity.js';
import { ApiClientsController } from './api-clients.controller.js';
import { ApiClientsService } from './api-clients.service.js';
import { ApiKey } from './api-key.entity.js';
import { ApiKeysController } from './api-keys.controller.js';
import { ApiKeysService } from './api-keys.service.js';
import { Developer } from './developer.entity.js';
import { DevelopersController } from './developers.controller.js';
import { DevelopersService } from './developers.service.js';
import { Grant } from './grant.entity.js';
import { GrantsController } from './grants.controller.js';
import { GrantsService } from './grants.service.js';
import { JwtStrategy } from './jwt.strategy.js';
import { RevokedToken } from './revoked-token.entity.js';
import { ServerKeysService } from './server-keys.service.js';

/** Who is calling, and what they may do. */
@Module({
  imports: [TypeOrmModule.forFeature([Developer, ApiClient, ApiKey, Grant, RevokedToken]), PassportModule],
  controllers: [ApiClientsController, ApiKeysController, DevelopersController, GrantsController],
  providers: [
    AccessTokensService,
    ApiClientsService,
    ApiKeysService,
    DevelopersService,
    GrantsService,
    JwtStrategy,
    ServerKeysService,
    { provide: APP_GUARD, useClass: AccessGuard },
  ],
  exports: [AccessTokensService, ApiClientsService, DevelopersService, GrantsService, ServerKeysService],
})
export class AuthModule {}
