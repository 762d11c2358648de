import { PickType } from '@nestjs/swagger';
import { Datetime, Integer, Nested, Text } from '../api/fields.js';
import type { Developer } from './developer.entity.js';

/** A developer in the records API. */
export class DeveloperBody {
  @Text(255, { description: 'Id of the developer.', example: 'dev-789' })
  developerId: string;

  @Text(255, {
    nullable: true,
    description: 'Display name; null: the `developerId`.',
    example: 'Ada Lovelace',
  })
  name: string | null;

  @Datetime({ description: 'When the developer was created.', example: '2025-01-15T09:00:00.000Z' })
  createdAt: string;

  @Datetime({
    description: 'When the name was last set; before that, when the developer was created.',
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

/** Body of PUT. */
export class PutDeveloperDto extends PickType(DeveloperBody, ['name']) {}

/** The same developer for clients of the feed. */
export class UserBody {
  @Integer(1, Infinity, {
    description: 'Id of the user: the `item_user_id` of its items in the feed.',
    example: 1,
  })
  id: number;

  @Text(255, { description: 'Id of the same developer in the records API.', example: 'dev-789' })
  developer_id: string;

  @Text(255, {
    description: 'Display name: the `developer_id`, unless an admin has set a name.',
    example: 'Ada Lovelace',
  })
  name: string;

  @Datetime({ description: 'When the user was created.', example: '2025-01-15T09:00:00.000Z' })
  created_at: string;

  @Datetime({
    description: 'When the name was last set; before that, when the user was created.',
    example: '2025-12-01T10:00:00.000Z',
  })
  updated_at: string;
}

export class CurrentUserBody {
  @Nested(UserBody, { description: 'Developer of the credential.' })
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
