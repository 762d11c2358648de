import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ClientsModule } from '../clients/clients.module.js';
import { AccessTokensService } from './access-tokens.service.js';
import { Grant } from './grant.entity.js';
import { GrantsController } from './grants.controller.js';
import { GrantsService } from './grants.service.js';
import { RevokedToken } from './revoked-token.entity.js';
import { ServerKeysService } from './server-keys.service.js';
import { SigningKeysController } from './signing-keys.controller.js';

/** What the server signs: access tokens, the grants behind them, and its signing keys. */
@Module({
  imports: [TypeOrmModule.forFeature([Grant, RevokedToken]), ClientsModule],
  controllers: [GrantsController, SigningKeysController],
  providers: [AccessTokensService, GrantsService, ServerKeysService],
  exports: [AccessTokensService, GrantsService, ServerKeysService],
})
export class TokensModule {}
