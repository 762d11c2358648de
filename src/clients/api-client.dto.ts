import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  Matches,
  ValidateIf,
} from 'class-validator';
import { PageBody, PageQuery } from '../api/page.dto.js';
import { IsOptionalField, IsText } from '../api/rules.js';
import type { ApiClient } from './api-client.entity.js';
import { CLIENT_SCOPES, type Scope } from '../access/scopes.js';
import { AreRedirectUris } from './redirect-uri.js';

const MAX_REDIRECT_URIS = 20;

/** As many as the URL of a next sync request can name. */
const MAX_DEFAULT_ASSETS = 50;

/** One entry of the `assets` of a feed request; no plural is longer. */
const ASSET = /^[A-Za-z][\w-]{0,79}$/;

/** The rules of what both creation and update take. */
const AreUniqueRedirectUris = () =>
  applyDecorators(IsArray(), ArrayMaxSize(MAX_REDIRECT_URIS), ArrayUnique(), AreRedirectUris());
const AreAssets = () =>
  applyDecorators(
    IsArray(),
    ArrayNotEmpty(),
    ArrayMaxSize(MAX_DEFAULT_ASSETS),
    ArrayUnique(),
    Matches(ASSET, { each: true, message: 'each of defaultAssets must be a type of asset, such as routes' }),
  );
const AreClientScopes = () =>
  applyDecorators(IsArray(), ArrayNotEmpty(), ArrayUnique(), IsIn(CLIENT_SCOPES, { each: true }));

export class CreateApiClientDto {
  @ApiProperty({
    description: 'The name of the application, which people see when they let it in.',
    minLength: 1,
    maxLength: 255,
    example: 'Route planner',
  })
  @IsText(1, 255)
  name: string;

  @ApiProperty({
    description: 'The owner: the developer who runs the application. Created if unknown.',
    minLength: 1,
    maxLength: 255,
    example: 'dev-789',
  })
  @IsText(1, 255)
  developerId: string;

  @ApiPropertyOptional({
    type: String,
    isArray: true,
    maxItems: MAX_REDIRECT_URIS,
    uniqueItems: true,
    default: [],
    description:
      'Where an authorization may lead back to, compared character by character: https URLs, http URLs of `127.0.0.1`, ' +
      '`[::1]` or `localhost`, or URIs whose scheme is a reversed domain name (RFC 8252).',
    example: ['https://planner.example.com/callback'],
  })
  @IsOptionalField()
  @AreUniqueRedirectUris()
  redirectUris: string[] = [];

  @ApiPropertyOptional({
    type: String,
    isArray: true,
    nullable: true,
    minItems: 1,
    maxItems: MAX_DEFAULT_ASSETS,
    uniqueItems: true,
    default: null,
    description: 'What its feed requests return when they leave out `assets`; null: everything.',
    example: ['routes', 'trips'],
  })
  @ValidateIf((_object, value) => value !== null)
  @AreAssets()
  defaultAssets: string[] | null = null;

  @ApiProperty({
    enum: CLIENT_SCOPES,
    isArray: true,
    minItems: 1,
    uniqueItems: true,
    description: 'The most that its API keys and tokens may do.',
    example: ['sync:read'],
  })
  @AreClientScopes()
  scopes: Scope[];

  @ApiPropertyOptional({
    default: false,
    description:
      'An application that cannot keep a secret, such as one on a phone or in a browser: it gets none.',
    example: false,
  })
  @IsOptionalField()
  @IsBoolean()
  public: boolean = false;
}

export class UpdateApiClientDto {
  @ApiPropertyOptional({
    description: 'As on creation.',
    minLength: 1,
    maxLength: 255,
    example: 'Route planner',
  })
  @IsOptionalField()
  @IsText(1, 255)
  name?: string;

  @ApiPropertyOptional({
    type: String,
    isArray: true,
    maxItems: MAX_REDIRECT_URIS,
    uniqueItems: true,
    description: 'As on creation: the whole new list.',
    example: ['https://planner.example.com/callback'],
  })
  @IsOptionalField()
  @AreUniqueRedirectUris()
  redirectUris?: string[];

  @ApiPropertyOptional({
    type: String,
    isArray: true,
    nullable: true,
    minItems: 1,
    maxItems: MAX_DEFAULT_ASSETS,
    uniqueItems: true,
    description: 'As on creation. Cursors that the client has go on with the assets that they were made for.',
    example: ['routes', 'trips'],
  })
  @ValidateIf((_object, value) => value !== undefined && value !== null)
  @AreAssets()
  defaultAssets?: string[] | null;

  @ApiPropertyOptional({
    enum: CLIENT_SCOPES,
    isArray: true,
    minItems: 1,
    uniqueItems: true,
    description: 'As on creation. A scope that is taken away is gone from its API keys and tokens, too.',
    example: ['sync:read'],
  })
  @IsOptionalField()
  @AreClientScopes()
  scopes?: Scope[];
}

export class ApiClientsQuery extends PageQuery {
  @ApiPropertyOptional({ description: 'Only the clients of this owner.', minLength: 1, maxLength: 255 })
  @IsOptionalField()
  @IsText(1, 255)
  developerId?: string;
}

/** A client as it can be seen after its creation. */
export class ApiClientBody {
  @ApiProperty({
    format: 'uuid',
    description: 'Names the client, here and as OAuth `client_id`.',
    example: '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d',
  })
  id: string;

  @ApiProperty({ description: 'The name of the application.', example: 'Route planner' })
  name: string;

  @ApiProperty({ description: 'The owner.', example: 'dev-789' })
  developerId: string;

  @ApiProperty({
    type: String,
    isArray: true,
    description: 'Where an authorization may lead back to.',
    example: ['https://planner.example.com/callback'],
  })
  redirectUris: string[];

  @ApiProperty({
    type: String,
    isArray: true,
    nullable: true,
    description: 'What its feed requests return when they leave out `assets`; null: everything.',
    example: ['routes', 'trips'],
  })
  defaultAssets: string[] | null;

  @ApiProperty({
    enum: CLIENT_SCOPES,
    isArray: true,
    description: 'The most that its API keys and tokens may do.',
    example: ['sync:read'],
  })
  scopes: Scope[];

  @ApiProperty({ description: 'Whether it has no secret.', example: false })
  public: boolean;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'Until when the secret before the last rotation works; null: there is none.',
    example: null,
  })
  previousSecretExpiresAt: string | null;

  @ApiProperty({
    format: 'date-time',
    description: 'When the client was created.',
    example: '2025-01-15T09:00:00.000Z',
  })
  createdAt: string;

  @ApiProperty({
    format: 'date-time',
    description: 'When it was changed last.',
    example: '2025-01-15T09:00:00.000Z',
  })
  updatedAt: string;

  /** @param owner of any client but the server's own, which has none */
  static of(client: ApiClient): ApiClientBody {
    return {
      id: client.id,
      name: client.name,
      developerId: client.owner!.developerId,
      redirectUris: client.redirectUris,
      defaultAssets: client.defaultAssets,
      scopes: client.scopes,
      public: client.secretHash === null,
      previousSecretExpiresAt: client.previousSecretExpiresAt?.toISOString() ?? null,
      createdAt: client.createdAt.toISOString(),
      updatedAt: client.updatedAt.toISOString(),
    };
  }
}

export class ApiClientWithSecretBody extends ApiClientBody {
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'The secret itself, shown only now; null: a public client has none.',
    example: 'tdms_4fQz91xBexampleexampleexampleexampleexample',
  })
  secret: string | null;
}

export class ApiClientPageBody extends PageBody {
  @ApiProperty({ type: ApiClientBody, isArray: true, description: 'The clients of this page.' })
  data: ApiClientBody[];
}
