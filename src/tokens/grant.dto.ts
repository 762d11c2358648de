import { CLIENT_SCOPES, type Scope } from '../access/scopes.js';
import { Datetime, Field, Id, ListOf, Text } from '../api/fields.js';
import { PageBody, PageQuery } from '../api/page.dto.js';
import type { Grant } from './grant.entity.js';

export const GRANT_EXAMPLE = 'nL8VSVVsSaMKDZhdkb1Ny4ukFJ-i2XcVmbhyWAbJ5jB';

export class GrantsQuery extends PageQuery {
  @Text(255, {
    optional: true,
    description: 'Only the grants of this developer. Without `sync:admin` it can only be your own.',
  })
  developerId?: string;
}

export class GrantBody {
  @Text(64, { description: 'Id of the grant.', example: GRANT_EXAMPLE })
  id: string;

  @Text(255, { description: 'Developer who gave the grant.', example: 'dev-789' })
  developerId: string;

  @Id({ description: '`id` of the application that has the grant.' })
  clientId: string;

  @Text(255, { description: 'Name of the application.', example: 'Route planner' })
  clientName: string;

  @Field({ enum: CLIENT_SCOPES, isArray: true }, [], {
    description: 'Scopes granted to the application; none for a login alone (`openid`).',
    example: ['sync:read'],
  })
  scopes: Scope[];

  @Datetime({ description: 'Granted at.', example: '2025-01-15T09:00:00.000Z' })
  createdAt: string;

  @Datetime({ description: 'When the grant expires.', example: '2026-01-15T09:00:00.000Z' })
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
  @ListOf(GrantBody, 'The grants of this page.')
  data: GrantBody[];
}
