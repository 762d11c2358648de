import { ApiProperty, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';
import { PageBody } from '../api/page.dto.js';
import { IsOptionalField, IsText } from '../api/rules.js';
import { Item, type ItemBody } from '../records/item.dto.js';
import { CollectionBody } from '../sync-feed/sync-feed.dto.js';

export class CollectionsQuery {
  @ApiPropertyOptional({
    type: String,
    description: 'Whose collections: for admins. Left out: those of the caller.',
  })
  @IsOptionalField()
  @IsText(1, 255)
  developerId?: string;
}

export class CollectionsBody {
  @ApiProperty({ type: CollectionBody, isArray: true, description: 'Exactly one.' })
  collections: CollectionBody[];
}

export class CollectionPageBody extends PageBody {
  @ApiProperty({ type: CollectionBody, description: 'The collection whose items these are.' })
  collection: CollectionBody;

  @ApiProperty({
    type: 'array',
    items: { type: 'object', additionalProperties: { $ref: getSchemaPath(Item) } },
    description: 'Each as on its item page: one member, named after the item type. In the order of pinning.',
  })
  items: ItemBody[];
}
