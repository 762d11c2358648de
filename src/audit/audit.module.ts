import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditLine } from './audit-line.entity.js';
import { AuditLogController } from './audit-log.controller.js';
import { AuditPruner } from './audit-pruner.js';

/** The audit log: its route and its retention. Other rooms write to it with `audit` (audit.ts). */
@Module({
  imports: [TypeOrmModule.forFeature([AuditLine])],
  controllers: [AuditLogController],
  providers: [AuditPruner],
})
export class AuditModule {}
