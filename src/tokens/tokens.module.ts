import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ClientsModule } from '../clients/clients.module.js';
import { HistoriesModule } from '../histories/histories.module.js';
import { AccessTokensService } from './access-tokens.service.js';
import { Grant } from './grant.entity.js';
import { GrantsController } from './grants.controller.js';
import { GrantsService } from './grants.service.js';
import { RevokedToken } from './revoked-token.entity.js';
import { SigningKeysController } from './signing-keys.controller.js';
import { SigningKeysService } from './signing-keys.service.js';

/** Access tokens of the built-in authorization server, their grants, and the signing keys. */
@Module({
  imports: [TypeOrmModule.forFeature([Grant, RevokedToken]), ClientsModule, HistoriesModule],
  controllers: [GrantsController, SigningKeysController],
  providers: [AccessTokensService, GrantsService, SigningKeysService],
  exports: [AccessTokensService, GrantsService, SigningKeysService],
})
export class TokensModule {}
