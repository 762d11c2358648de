import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { HistoriesModule } from '../histories/histories.module.js';
import { Developer } from './developer.entity.js';
import { DevelopersController } from './developers.controller.js';
import { DevelopersService } from './developers.service.js';

/** Developers: the owners of libraries. */
@Module({
  imports: [TypeOrmModule.forFeature([Developer]), HistoriesModule],
  controllers: [DevelopersController],
  providers: [DevelopersService],
  exports: [DevelopersService],
})
export class DevelopersModule {}
