import { ApiProperty } from '@nestjs/swagger';
import { ValidateIf } from 'class-validator';
import { IsText } from '../api/rules.js';
import type { Developer } from './developer.entity.js';

export class PutDeveloperDto {
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'What people call the developer; null: by the `developerId`.',
    minLength: 1,
    maxLength: 255,
    example: 'Ada Lovelace',
  })
  @ValidateIf((_object, value) => value !== null)
  @IsText(1, 255)
  name: string | null;
}

export class DeveloperBody {
  @ApiProperty({ description: 'The name in the records API.', example: 'dev-789' })
  developerId: string;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'What people call the developer; null: by the `developerId`.',
    example: 'Ada Lovelace',
  })
  name: string | null;

  @ApiProperty({
    format: 'date-time',
    description: 'When the developer was created.',
    example: '2025-01-15T09:00:00.000Z',
  })
  createdAt: string;

  @ApiProperty({
    format: 'date-time',
    description: 'When the name was set last; until then, the creation.',
    example: '2025-12-01T10:00:00.000Z',
  })
  updatedAt: string;

  static of({ developerId, name, createdAt, updatedAt }: Developer): DeveloperBody {
    return {
      developerId,
      name,
      createdAt: createdAt.toISOString(),
      updatedAt: (updatedAt ?? createdAt).toISOString(),
    };
  }
}

/** The same developer, as clients of the feed see it. */
export class UserBody {
  @ApiProperty({
    type: 'integer',
    description: 'ID of the user: `item_user_id` of the own items in the feed.',
    example: 1,
  })
  id: number;

  @ApiProperty({ description: 'The name in the records API.', example: 'dev-789' })
  developer_id: string;

  @ApiProperty({
    description: 'What people call the user: the `developer_id`, unless an admin has set a name.',
    example: 'Ada Lovelace',
  })
  name: string;

  @ApiProperty({
    format: 'date-time',
    description: 'When the user was created.',
    example: '2025-01-15T09:00:00.000Z',
  })
  created_at: string;

  @ApiProperty({
    format: 'date-time',
    description: 'When the name was set last; until then, the creation.',
    example: '2025-12-01T10:00:00.000Z',
  })
  updated_at: string;
}

export class CurrentUserBody {
  @ApiProperty({ type: UserBody, description: 'The developer that the credential acts for.' })
  user: UserBody;

  static of(developer: Developer): CurrentUserBody {
    const { developerId, name, createdAt, updatedAt } = DeveloperBody.of(developer);
    return {
      user: {
        id: developer.userId,
        developer_id: developerId,
        name: name ?? developerId,
        created_at: createdAt,
        updated_at: updatedAt,
      },
    };
  }
}
