import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { InjectDataSource } from '@nestjs/typeorm';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { Public } from '../access/access.decorator.js';
import { ApiErrors } from '../api/errors.decorator.js';
import { OneOf } from '../api/fields.js';
import { serviceUnavailable } from '../http/api-error.js';

export class HealthBody {
  @OneOf(['ok'], { description: 'Always `ok`; the status code has the result.' })
  status: 'ok';
}

/**
 * Probes for orchestrators. Not `@Endpoint`: they need no credential, and `live` does not use the database.
 */
@ApiTags('Health')
@Public()
@Controller('health')
export class HealthController {
  private isLeaving = false;

  constructor(@InjectDataSource() private readonly dataSource: TidemarkDataSource) {}

  /** From now on, this server is not ready: it is about to stop. */
  leave(): void {
    this.isLeaving = true;
  }

  @Get('live')
  @ApiOperation({ summary: 'Liveness probe', description: '200 while the process runs.' })
  @ApiOkResponse({ type: HealthBody, description: 'The process runs.' })
  live(): HealthBody {
    return { status: 'ok' };
  }

  @Get('ready')
  @ApiOperation({
    summary: 'Readiness probe',
    description: '503 while the database cannot be reached, or does not answer for 5 s, and from SIGTERM on.',
  })
  @ApiOkResponse({ type: HealthBody, description: 'The server can answer requests.' })
  @ApiErrors()
  async ready(): Promise<HealthBody> {
    if (this.isLeaving) throw serviceUnavailable('This server is stopping.');
    await this.dataSource.ping();
    return { status: 'ok' };
  }
}
