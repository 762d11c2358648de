import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { InjectDataSource } from '@nestjs/typeorm';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { Public } from '../access/access.decorator.js';
import { ApiErrors } from '../api/errors.decorator.js';
import { OneOf } from '../api/fields.js';

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
  constructor(@InjectDataSource() private readonly dataSource: TidemarkDataSource) {}

  @Get('live')
  @ApiOperation({ summary: 'Liveness probe', description: '200 while the process runs.' })
  @ApiOkResponse({ type: HealthBody, description: 'The process runs.' })
  live(): HealthBody {
    return { status: 'ok' };
  }

  @Get('ready')
  @ApiOperation({ summary: 'Readiness probe', description: '503 while the database cannot be reached.' })
  @ApiOkResponse({ type: HealthBody, description: 'The server can answer requests.' })
  @ApiErrors()
  async ready(): Promise<HealthBody> {
    await this.dataSource.ping();
    return { status: 'ok' };
  }
}
