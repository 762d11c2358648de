import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayNotEmpty, ArrayUnique, IsArray, IsIn, IsUUID } from 'class-validator';
import { PageBody, PageQuery } from '../api/page.dto.js';
import { IsDatetime, IsOptionalField, IsText } from '../api/rules.js';
import type { ApiKey } from './api-key.entity.js';
import { type Scope, SCOPES } from '../access/scopes.js';

export class CreateApiKeyDto {
  @ApiProperty({
    description: 'The developer that the key acts for. Created if unknown.',
    minLength: 1,
    maxLength: 255,
    example: 'dev-789',
  })
  @IsText(1, 255)
  developerId: string;

  @ApiProperty({
    enum: SCOPES,
    isArray: true,
    minItems: 1,
    uniqueItems: true,
    description: 'What the key may do. `sync:admin` may do everything, for every developer.',
    example: ['sync:read', 'sync:write'],
  })
  @IsArray()
  @ArrayNotEmpty()
  @ArrayUnique()
  @IsIn(SCOPES, { each: true })
  scopes: Scope[];

  @ApiPropertyOptional({
    description: 'What the key is for.',
    minLength: 1,
    maxLength: 255,
    example: 'laptop',
  })
  @IsOptionalField()
  @IsText(1, 255)
  name?: string;

  @ApiPropertyOptional({
    format: 'date-time',
    description: 'When the key stops working. Left out: never.',
    example: '2030-01-01T00:00:00Z',
  })
  @IsOptionalField()
  @IsDatetime()
  expiresAt?: string;

  @ApiPropertyOptional({
    format: 'uuid',
    description:
      'The API client that uses the key. `scopes` must be among its scopes, and the key ends when it is deleted.',
    example: '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d',
  })
  @IsOptionalField()
  @IsUUID('loose')
  clientId?: string;
}

export const CREATE_KEY_EXAMPLES = {
  developer: {
    summary: 'A key of a developer',
    value: {
      developerId: 'dev-789',
      scopes: ['sync:read', 'sync:write'],
      name: 'laptop',
      expiresAt: '2030-01-01T00:00:00Z',
    },
  },
  client: {
    summary: 'A key with which an API client acts for a developer',
    value: {
      developerId: 'dev-789',
      scopes: ['sync:read'],
      clientId: '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d',
    },
  },
};

export class ApiKeysQuery extends PageQuery {
  @ApiPropertyOptional({
    description: 'Only the keys of this developer; for all but admins, the own ones in any case.',
    minLength: 1,
    maxLength: 255,
  })
  @IsOptionalField()
  @IsText(1, 255)
  developerId?: string;
}

/** A key as it can be seen after its creation. */
export class ApiKeyBody {
  @ApiProperty({
    format: 'uuid',
    description: 'Names the key when it is rotated or revoked.',
    example: '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d',
  })
  id: string;

  @ApiProperty({ description: 'The developer that the key acts for.', example: 'dev-789' })
  developerId: string;

  @ApiProperty({ type: String, nullable: true, description: 'What the key is for.', example: 'laptop' })
  name: string | null;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'The API client that uses the key; null: none.',
    example: null,
  })
  clientId: string | null;

  @ApiProperty({ description: 'The first characters of the key.', example: 'tdm_4fQz91xB' })
  prefix: string;

  @ApiProperty({
    enum: SCOPES,
    isArray: true,
    description: 'What the key may do.',
    example: ['sync:read', 'sync:write'],
  })
  scopes: Scope[];

  @ApiProperty({
    format: 'date-time',
    description: 'When the key was created.',
    example: '2025-01-15T09:00:00.000Z',
  })
  createdAt: string;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When the key stops working; null: never.',
    example: '2030-01-01T00:00:00.000Z',
  })
  expiresAt: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'The last use, to the minute; null: not used so far.',
    example: '2025-12-01T10:00:00.000Z',
  })
  lastUsedAt: string | null;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When the key was revoked, or will be after its rotation; null: it is not.',
    example: null,
  })
  revokedAt: string | null;

  static of(key: ApiKey): ApiKeyBody {
    return {
      id: key.id,
      developerId: key.developer.developerId,
      name: key.name,
      clientId: key.client?.id ?? null,
      prefix: key.prefix,
      scopes: key.scopes,
      createdAt: key.createdAt.toISOString(),
      expiresAt: key.expiresAt?.toISOString() ?? null,
      lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
      revokedAt: key.revokedAt?.toISOString() ?? null,
    };
  }
}

export class CreatedApiKeyBody extends ApiKeyBody {
  @ApiProperty({
    description: 'The key itself, shown only now.',
    example: 'tdm_4fQz91xBexampleexampleexampleexampleexample',
  })
  key: string;
}

export class ApiKeyPageBody extends PageBody {
  @ApiProperty({ type: ApiKeyBody, isArray: true, description: 'The keys of this page.' })
  data: ApiKeyBody[];
}
