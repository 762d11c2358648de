import { ApiProperty } from '@nestjs/swagger';
import { QueryInteger } from './fields.js';

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 100;

/** Query parameters of every paginated list. */
export class PageQuery {
  @QueryInteger(MAX_PAGE_SIZE, {
    optional: true,
    default: DEFAULT_PAGE_SIZE,
    description: 'Maximum number of results per page.',
  })
  limit: number = DEFAULT_PAGE_SIZE;

  @QueryInteger(Number.MAX_SAFE_INTEGER, {
    optional: true,
    default: 1,
    description: 'The page to return. A page past the end is empty.',
  })
  page: number = 1;
}

/** Envelope of every paginated list; subclasses add `data`. */
export class PageBody {
  @ApiProperty({ type: 'integer', example: 150, description: 'Number of results on all pages together.' })
  total: number;

  @ApiProperty({ type: 'integer', example: 1, description: 'Number of this page.' })
  page: number;

  @ApiProperty({ type: 'integer', example: 50, description: 'Maximum number of results per page.' })
  limit: number;
}
