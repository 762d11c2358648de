import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, Max, Min } from 'class-validator';
import { IsOptionalField, IsText } from '../common/validation.js';
import { MAX_PASSWORD, MIN_PASSWORD } from './passwords.service.js';

const WEEK = 7 * 86_400;

export class PasswordDto {
  @ApiProperty({
    description: 'The new password.',
    minLength: MIN_PASSWORD,
    maxLength: MAX_PASSWORD,
    example: 'correct horse battery staple',
  })
  @IsText(MIN_PASSWORD, MAX_PASSWORD)
  password: string;
}

export class InviteDto {
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 60,
    maximum: 30 * 86_400,
    default: WEEK,
    description: 'How long the link works, in seconds.',
    example: WEEK,
  })
  @IsOptionalField()
  @IsInt()
  @Min(60)
  @Max(30 * 86_400)
  expiresInSeconds: number = WEEK;
}

export class InviteBody {
  @ApiProperty({
    format: 'uri',
    description: 'The link, shown only now. It works once.',
    example: 'https://sync.example.com/oauth/invite?token=4fQz91xBexampleexampleexampleexampleexample',
  })
  url: string;

  @ApiProperty({
    format: 'date-time',
    description: 'Until when it works.',
    example: '2025-01-22T09:00:00.000Z',
  })
  expiresAt: string;
}

export class SigningKeyBody {
  @ApiProperty({
    description: 'The `kid` of the new key.',
    example: 'x5wJ1yM3v0b4b9cE8pO0cQ2jz7l7t5hD0oQ6r8nQx2k',
  })
  id: string;

  @ApiProperty({
    format: 'date-time',
    description: 'Since when it signs.',
    example: '2025-01-15T09:00:00.000Z',
  })
  createdAt: string;
}
