import { getSchemaPath } from '@nestjs/swagger';
import { Field, ListOf, Nested } from '../api/fields.js';
import { PageBody, PageQuery } from '../api/page.dto.js';
import { IsText } from '../api/rules.js';
import { Item, type ItemBody } from '../records/item.dto.js';
import { CollectionBody } from '../sync-feed/pinned-collection.js';

export class CollectionsQuery extends PageQuery {
  @Field({ type: String }, [IsText(1, 255)], {
    optional: true,
    description: 'Developer whose collections are listed: for admins. Default: the own developer.',
  })
  developerId?: string;
}

export class CollectionsBody extends PageBody {
  @ListOf(CollectionBody, 'Exactly one, on the first page.')
  collections: CollectionBody[];
}

export class CollectionPageBody extends PageBody {
  @Nested(CollectionBody, { description: 'The collection.' })
  collection: CollectionBody;

  @Field(
    { type: 'array', items: { type: 'object', additionalProperties: { $ref: getSchemaPath(Item) } } },
    [],
    {
      description: 'Items of this page in the order of pinning, each as on its item page.',
    },
  )
  items: ItemBody[];
}
