import { Controller, Get, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { InjectRepository } from '@nestjs/typeorm';
import { LessThan, Repository } from 'typeorm';
import { Endpoint } from '../access/endpoint.decorator.js';
import { invalidRequest } from '../http/api-error.js';
import { AuditLineBody, AuditLogBody, AuditLogQuery } from './audit-log.dto.js';
import { AuditLine } from './audit-line.entity.js';

@ApiTags('Audit log')
@Controller('api/v1/audit-log')
export class AuditLogController {
  constructor(@InjectRepository(AuditLine) private readonly lines: Repository<AuditLine>) {}

  @Get()
  @Endpoint('sync:admin', {
    summary: 'Read the audit log',
    description:
      'Changes of keys, clients, grants, passwords, invites, shares, signing keys and names, and erasures. ' +
      'Newest first, as far as the log goes back (AUDIT_LOG_DAYS).',
    returns: [200, 'One page of the log.', AuditLogBody],
    errors: [invalidRequest('limit must be at most 100')],
  })
  async list(@Query() { developerId, action, before, limit }: AuditLogQuery): Promise<AuditLogBody> {
    const lines = await this.lines.find({
      where: {
        ...(developerId !== undefined && { developerId }),
        ...(action !== undefined && { action }),
        ...(before !== undefined && { id: LessThan(String(before)) }),
      },
      order: { id: 'DESC' },
      // One more: is there a next page?
      take: limit + 1,
    });
    const data = lines.slice(0, limit).map((line) => AuditLineBody.of(line));
    return { data, next: lines.length > limit ? data.at(-1)!.id : null };
  }
}
