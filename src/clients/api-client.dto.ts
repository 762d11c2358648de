import { ApiProperty, IntersectionType, OmitType, PartialType, PickType } from '@nestjs/swagger';
import { CLIENT_SCOPES, type Scope } from '../access/scopes.js';
import { Assets, Datetime, Flag, Id, List, ListOf, OneOf, OPTIONAL, SomeOf, Text } from '../api/fields.js';
import { PageBody, PageQuery } from '../api/page.dto.js';
import { type ApiClient, PKCE, type Pkce } from './api-client.entity.js';
import { AreRedirectUris } from './redirect-uri.js';

/** As many as fit into the URL of the next feed request. */
const MAX_DEFAULT_ASSETS = 50;

/** Settings of a client. */
class ApiClientFields {
  @Text(255, { description: 'Name of the application, shown on the consent page.', example: 'Route planner' })
  name: string;

  @Text(255, { description: 'Owner: the developer who runs the application.', example: 'dev-789' })
  developerId: string;

  @List(20, AreRedirectUris(), {
    description:
      'Allowed redirect URIs, compared character by character: https URLs, http URLs of `127.0.0.1`, ' +
      '`[::1]` or `localhost`, or private-use schemes in reverse domain notation (RFC 8252).',
    example: ['https://planner.example.com/callback'],
  })
  redirectUris: string[];

  @Assets(MAX_DEFAULT_ASSETS, false, { description: 'Assets of a feed request without `assets`; null: all.' })
  defaultAssets: string[] | null;

  @SomeOf(CLIENT_SCOPES, {
    description: 'Scopes that its API keys and tokens may have.',
    example: ['sync:read'],
  })
  scopes: Scope[];

  @OneOf(PKCE, {
    description:
      'PKCE (RFC 7636) at `/oauth/authorize`. `optional` is for a confidential client whose OAuth library has no ' +
      'PKCE.',
    example: 'required',
  })
  pkce: Pkce;

  @Flag({
    description: 'Public client (RFC 6749, section 2.1): it cannot keep a secret, so it has none.',
    example: false,
  })
  public: boolean;
}

/** Documents the defaults; ApiClientsService sets them. */
export class CreateApiClientDto extends IntersectionType(
  PickType(ApiClientFields, ['name', 'developerId', 'scopes']),
  PartialType(PickType(ApiClientFields, ['redirectUris', 'defaultAssets', 'pkce', 'public']), OPTIONAL),
) {
  @ApiProperty({ type: [String], default: [] })
  override redirectUris?: string[];

  @ApiProperty({ type: [String], default: null })
  override defaultAssets?: string[] | null;

  @ApiProperty({ default: 'required' })
  override pkce?: Pkce;

  @ApiProperty({ default: false })
  override public?: boolean;
}

/** Fields left out keep their values. */
export class UpdateApiClientDto extends PartialType(
  OmitType(ApiClientFields, ['developerId', 'public']),
  OPTIONAL,
) {}

export class ApiClientsQuery extends PageQuery {
  @Text(255, { optional: true, description: 'Only the clients of this owner.' })
  developerId?: string;
}

/** A client without its secret. */
export class ApiClientBody extends ApiClientFields {
  @Id({ description: 'Id of the client, and its OAuth `client_id`.' })
  id: string;

  @Datetime({
    nullable: true,
    description: 'Until when the previous secret works as well; null: there is none.',
    example: null,
  })
  previousSecretExpiresAt: string | null;

  @Datetime({ description: 'Created at.', example: '2025-01-15T09:00:00.000Z' })
  createdAt: string;

  @Datetime({ description: 'Last changed at.', example: '2025-01-15T09:00:00.000Z' })
  updatedAt: string;

  /** @param client any but the server's own, which has no owner */
  static of(client: ApiClient): ApiClientBody {
    const { id, name, redirectUris, defaultAssets, scopes, pkce } = client;
    return {
      ...{ id, name, redirectUris, defaultAssets, scopes, pkce },
      developerId: client.owner!.developerId,
      public: client.secretHash === null,
      previousSecretExpiresAt: client.previousSecretExpiresAt?.toISOString() ?? null,
      createdAt: client.createdAt.toISOString(),
      updatedAt: client.updatedAt.toISOString(),
    };
  }
}

export class ApiClientWithSecretBody extends ApiClientBody {
  @Text(48, {
    nullable: true,
    description: 'The secret, shown only now; null for a public client.',
    example: 'tdms_4fQz91xBexampleexampleexampleexampleexample',
  })
  secret: string | null;
}

export class ApiClientPageBody extends PageBody {
  @ListOf(ApiClientBody, 'The clients of this page.')
  data: ApiClientBody[];
}
