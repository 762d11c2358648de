import { Datetime, Field, Integer, ListOf, OneOf, QueryInteger, Text } from '../api/fields.js';
import {
  ACTIONS,
  ACTOR_KINDS,
  type ActorKind,
  type AuditAction,
  type AuditLine,
} from './audit-line.entity.js';

const MAX_LIMIT = 100;
const DEFAULT_LIMIT = 50;

export class AuditLogQuery {
  @Text(255, { optional: true, description: 'Only changes that concern this developer.' })
  developerId?: string;

  @OneOf(ACTIONS, { optional: true, description: 'Only changes of this kind.' })
  action?: AuditAction;

  @QueryInteger(Number.MAX_SAFE_INTEGER, {
    optional: true,
    description: 'Only lines before this one: the `next` of the page before.',
  })
  before?: number;

  @QueryInteger(MAX_LIMIT, {
    optional: true,
    default: DEFAULT_LIMIT,
    description: 'Maximum number of lines.',
  })
  limit: number = DEFAULT_LIMIT;
}

/** The credential or the account that made a change. */
export class AuditActorBody {
  @OneOf(ACTOR_KINDS, {
    description:
      '`admin_key`: the key of the settings; `api_key`; `access_token`: of this server, or of the identity ' +
      'provider; `account`: a developer at the login pages; `client`: an application at the OAuth endpoints.',
    example: 'api_key',
  })
  kind: ActorKind;

  @Text(64, {
    nullable: true,
    description: 'Id of the API key or, for `access_token` and `client`, of the API client; null: none.',
    example: '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d',
  })
  id: string | null;

  @Text(255, {
    nullable: true,
    description: 'Developer that the credential or the account belongs to; null: none.',
    example: 'dev-789',
  })
  developerId: string | null;
}

/** A line of the audit log. */
export class AuditLineBody {
  @Integer(1, Infinity, { description: 'Id of the line.', example: 4711 })
  id: number;

  @Datetime({ description: 'When the change was made.', example: '2025-12-01T10:00:00.000Z' })
  at: string;

  @OneOf(ACTIONS, { description: 'The change.', example: 'key.revoked' })
  action: AuditAction;

  @Field({ type: AuditActorBody }, [], { description: 'Credential or account that made the change.' })
  actor: AuditActorBody;

  @Text(255, {
    nullable: true,
    description: 'Id of the key, client, grant, signing key or, for shares, of the record; null: none.',
    example: '0193a2f4-9e10-7c44-b1d2-6a7f3c5e8d90',
  })
  targetId: string | null;

  @Text(255, {
    nullable: true,
    description: 'Developer that the change concerns: the owner of the target; null: none.',
    example: 'dev-789',
  })
  developerId: string | null;

  @Field({ type: 'object', additionalProperties: true }, [], {
    nullable: true,
    description: 'More about the change: ids, names of fields, scopes.',
    example: null,
  })
  details: object | null;

  @Text(255, {
    nullable: true,
    description: 'Network address of the request (see TRUST_PROXY).',
    example: '192.0.2.7',
  })
  address: string | null;

  @Text(128, {
    nullable: true,
    description: 'The `X-Request-Id` of the request, which the log of the server has, too.',
    example: '6f2c4d3e-0b1a-4c5d-8e7f-9a0b1c2d3e4f',
  })
  requestId: string | null;

  static of(line: AuditLine): AuditLineBody {
    const { id, at, action, targetId, developerId, details, address, requestId } = line;
    const actor = { kind: line.actorKind, id: line.actorId, developerId: line.actorDeveloperId };
    return {
      id: Number(id),
      at: at.toISOString(),
      action,
      actor,
      targetId,
      developerId,
      details,
      address,
      requestId,
    };
  }
}

export class AuditLogBody {
  @ListOf(AuditLineBody, 'Newest first.')
  data: AuditLineBody[];

  @Integer(1, Infinity, {
    nullable: true,
    description: 'The `before` of the next page; null: this is the last one.',
    example: 4711,
  })
  next: number | null;
}
