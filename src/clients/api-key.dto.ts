import { type Scope, SCOPES } from '../access/scopes.js';
import { Datetime, Id, ListOf, SomeOf, Text } from '../api/fields.js';
import { PageBody, PageQuery } from '../api/page.dto.js';
import type { ApiKey } from './api-key.entity.js';

class ApiKeyFields {
  @Text(255, { description: 'Developer that the key acts for.', example: 'dev-789' })
  developerId: string;

  @SomeOf(SCOPES, {
    description: 'Scopes of the key. `sync:admin` includes the others, for every developer.',
    example: ['sync:read', 'sync:write'],
  })
  scopes: Scope[];
}

export class CreateApiKeyDto extends ApiKeyFields {
  @Text(255, { optional: true, description: 'Purpose of the key.', example: 'laptop' })
  name?: string;

  @Datetime({
    optional: true,
    description: 'When the key expires; left out: never.',
    example: '2030-01-01T00:00:00Z',
  })
  expiresAt?: string;

  @Id({
    optional: true,
    description:
      'API client that uses the key. The client must have all `scopes`; the key is deleted together with it.',
  })
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
  @Text(255, {
    optional: true,
    description: 'Only the keys of this developer. Without `sync:admin` it can only be your own.',
  })
  developerId?: string;
}

/** A key without its secret. */
export class ApiKeyBody extends ApiKeyFields {
  @Id({ description: 'Id of the key.' })
  id: string;

  @Text(255, { nullable: true, description: 'Purpose of the key.', example: 'laptop' })
  name: string | null;

  @Id({ nullable: true, description: 'API client that uses the key; null: none.', example: null })
  clientId: string | null;

  @Text(12, { description: 'The first characters of the key.', example: 'tdm_4fQz91xB' })
  prefix: string;

  @Datetime({ description: 'Created at.', example: '2025-01-15T09:00:00.000Z' })
  createdAt: string;

  @Datetime({
    nullable: true,
    description: 'When the key expires; null: never.',
    example: '2030-01-01T00:00:00.000Z',
  })
  expiresAt: string | null;

  @Datetime({
    nullable: true,
    description: 'Last used at, to the minute; null: never used.',
    example: '2025-12-01T10:00:00.000Z',
  })
  lastUsedAt: string | null;

  @Datetime({
    nullable: true,
    description: 'When the key was revoked, or when the overlap of its rotation ends; null: not revoked.',
    example: null,
  })
  revokedAt: string | null;

  static of(key: ApiKey): ApiKeyBody {
    const { id, name, prefix, scopes } = key;
    return {
      ...{ id, name, prefix, scopes },
      developerId: key.developer.developerId,
      clientId: key.client?.id ?? null,
      createdAt: key.createdAt.toISOString(),
      expiresAt: key.expiresAt?.toISOString() ?? null,
      lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
      revokedAt: key.revokedAt?.toISOString() ?? null,
    };
  }
}

export class CreatedApiKeyBody extends ApiKeyBody {
  @Text(47, {
    description: 'The key itself, shown only now.',
    example: 'tdm_4fQz91xBexampleexampleexampleexampleexample',
  })
  key: string;
}

export class ApiKeyPageBody extends PageBody {
  @ListOf(ApiKeyBody, 'The keys of this page.')
  data: ApiKeyBody[];
}
