import { ApiProperty } from '@nestjs/swagger';
import { PageBody } from '../api/page.dto.js';

/** A developer who may read a record. */
export class ShareBody {
  @ApiProperty({ example: 'dev-456', description: 'Who may read the record.' })
  developerId: string;

  @ApiProperty({ format: 'date-time', example: '2025-12-01T10:00:00.000Z', description: 'Since when.' })
  createdAt: string;
}

export class SharePageBody extends PageBody {
  @ApiProperty({
    type: ShareBody,
    isArray: true,
    description: 'In the order in which developers came to be.',
  })
  data: ShareBody[];
}
