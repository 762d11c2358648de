import { ApiProperty } from '@nestjs/swagger';

export class SigningKeyBody {
  @ApiProperty({
    description: 'The `kid` of the new key.',
    example: 'x5wJ1yM3v0b4b9cE8pO0cQ2jz7l7t5hD0oQ6r8nQx2k',
  })
  id: string;

  @ApiProperty({
    format: 'date-time',
    description: 'The time from which it signs.',
    example: '2025-01-15T09:00:00.000Z',
  })
  createdAt: string;
}
