import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, Max, Min } from 'class-validator';
import { IsOptionalField, IsText } from '../api/rules.js';
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
