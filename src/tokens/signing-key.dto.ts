import { Datetime, Text } from '../api/fields.js';

export class SigningKeyBody {
  @Text(64, {
    description: 'The `kid` of the new key.',
    example: 'x5wJ1yM3v0b4b9cE8pO0cQ2jz7l7t5hD0oQ6r8nQx2k',
  })
  id: string;

  @Datetime({ description: 'Created at; it signs from then on.', example: '2025-01-15T09:00:00.000Z' })
  createdAt: string;
}
