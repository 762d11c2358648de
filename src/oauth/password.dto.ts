import { Datetime, Field, Integer, Text } from '../api/fields.js';
import { MAX_PASSWORD, MIN_PASSWORD } from './passwords.service.js';

/** In seconds. */
const WEEK = 7 * 86_400;
const MONTH = 30 * 86_400;

export class PasswordDto {
  @Text(
    MAX_PASSWORD,
    {
      description: 'The new password. It must not be common, nor like the name of the developer.',
      example: 'correct horse battery staple',
    },
    MIN_PASSWORD,
  )
  password: string;
}

export class InviteDto {
  @Integer(60, MONTH, {
    optional: true,
    default: WEEK,
    description: 'Lifetime of the link, in seconds.',
    example: WEEK,
  })
  expiresInSeconds: number = WEEK;
}

export class InviteBody {
  @Field({ type: String, format: 'uri' }, [], {
    description: 'The link. It works once.',
    example: 'https://sync.example.com/oauth/invite?token=4fQz91xBexampleexampleexampleexampleexample',
  })
  url: string;

  @Datetime({ description: 'When the link expires.', example: '2025-01-22T09:00:00.000Z' })
  expiresAt: string;
}
