import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Public } from '../access/access.decorator.js';
import { ApiErrors } from '../api/errors.decorator.js';

export class HealthBody {
  @ApiProperty({ enum: ['ok'], description: 'Always `ok`; the status code says the rest.' })
  status: 'ok';
}

@ApiTags('Health')
@Public()
@Controller('health')
export class HealthController {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  @Get('live')
  @ApiOperation({ summary: 'Is the process alive?' })
  @ApiOkResponse({ type: HealthBody, description: 'It is.' })
  live(): HealthBody {
    return { status: 'ok' };
  }

  @Get('ready')
  @ApiOperation({
    summary: 'Can requests be served?',
    description: '503 while the database cannot be reached.',
  })
  @ApiOkResponse({ type: HealthBody, description: 'They can.' })
  @ApiErrors()
  async ready(): Promise<HealthBody> {
    await this.dataSource.query('SELECT 1');
    return { status: 'ok' };
  }
}
