import { Datetime, ListOf, Text } from '../api/fields.js';
import { PageBody } from '../api/page.dto.js';

/** A developer who may read a record. */
export class ShareBody {
  @Text(255, { description: 'Developer who may read the record.', example: 'dev-456' })
  developerId: string;

  @Datetime({ description: 'When the record was shared.', example: '2025-12-01T10:00:00.000Z' })
  createdAt: string;
}

export class SharePageBody extends PageBody {
  @ListOf(ShareBody, 'Developers who may read the record, in the order of their creation.')
  data: ShareBody[];
}
