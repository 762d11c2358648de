import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { PassportModule } from '@nestjs/passport';
import { ClientsModule } from '../clients/clients.module.js';
import { DevelopersModule } from '../developers/developers.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { AccessGuard } from './access.guard.js';
import { IssuerKeys } from './issuer-keys.js';
import { JwtStrategy } from './jwt.strategy.js';
import { RateLimits } from './rate-limits.js';

/** The global guard and its passport strategy. Imported by the application alone. */
@Module({
  imports: [PassportModule, ClientsModule, DevelopersModule, TokensModule],
  providers: [RateLimits, IssuerKeys, JwtStrategy, { provide: APP_GUARD, useClass: AccessGuard }],
})
export class AuthModule {}
