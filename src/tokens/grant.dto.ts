import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { PageBody, PageQuery } from '../api/page.dto.js';
import { IsOptionalField, IsText } from '../api/rules.js';
import { CLIENT_SCOPES } from '../access/scopes.js';
import type { Scope } from '../access/scopes.js';
import type { Grant } from './grant.entity.js';

export class GrantsQuery extends PageQuery {
  @ApiPropertyOptional({
    description: 'Whose grants; left out: your own, or with scope `sync:admin` those of all developers.',
    minLength: 1,
    maxLength: 255,
  })
  @IsOptionalField()
  @IsText(1, 255)
  developerId?: string;
}

export class GrantBody {
  @ApiProperty({ description: 'Names the grant.', example: 'nL8VSVVsSaMKDZhdkb1Ny4ukFJ-i2XcVmbhyWAbJ5jB' })
  id: string;

  @ApiProperty({ description: 'The developer who has given it.', example: 'dev-789' })
  developerId: string;

  @ApiProperty({
    format: 'uuid',
    description: 'The `id` of the application that has it.',
    example: '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d',
  })
  clientId: string;

  @ApiProperty({ description: 'The name of the application.', example: 'Route planner' })
  clientName: string;

  @ApiProperty({
    enum: CLIENT_SCOPES,
    isArray: true,
    description: 'What the application may do.',
    example: ['sync:read'],
  })
  scopes: Scope[];

  @ApiProperty({
    format: 'date-time',
    description: 'When it was given.',
    example: '2025-01-15T09:00:00.000Z',
  })
  createdAt: string;

  @ApiProperty({
    format: 'date-time',
    description: 'When it ends by itself.',
    example: '2026-01-15T09:00:00.000Z',
  })
  expiresAt: string;

  static of({ id, developer, client, scopes, createdAt, expiresAt }: Grant): GrantBody {
    return {
      id,
      developerId: developer.developerId,
      clientId: client.id,
      clientName: client.name,
      scopes,
      createdAt: createdAt.toISOString(),
      expiresAt: expiresAt.toISOString(),
    };
  }
}

export class GrantPageBody extends PageBody {
  @ApiProperty({ type: GrantBody, isArray: true, description: 'The grants of this page.' })
  data: GrantBody[];
}
