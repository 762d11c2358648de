import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { PassportModule } from '@nestjs/passport';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AccessGuard } from './access.guard.js';
import { ApiKey } from './api-key.entity.js';
import { ApiKeysController } from './api-keys.controller.js';
import { ApiKeysService } from './api-keys.service.js';
import { Developer } from './developer.entity.js';
import { DevelopersService } from './developers.service.js';
import { JwtStrategy } from './jwt.strategy.js';

/** Who is calling, and what they may do. */
@Module({
  imports: [TypeOrmModule.forFeature([Developer, ApiKey]), PassportModule],
  controllers: [ApiKeysController],
  providers: [ApiKeysService, DevelopersService, JwtStrategy, { provide: APP_GUARD, useClass: AccessGuard }],
  exports: [DevelopersService],
})
export class AuthModule {}
