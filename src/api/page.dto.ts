import { Integer, QueryInteger } from './fields.js';

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 100;

/** A page costs what is before it. The feed has every record, however many there are. */
const MAX_PAGE = 10_000;

/** Query parameters of every paginated list. */
export class PageQuery {
  @QueryInteger(MAX_PAGE_SIZE, {
    optional: true,
    default: DEFAULT_PAGE_SIZE,
    description: 'Maximum number of results per page.',
  })
  limit: number = DEFAULT_PAGE_SIZE;

  @QueryInteger(MAX_PAGE, {
    optional: true,
    default: 1,
    description: 'Number of the page to return. A page after the last one is empty.',
  })
  page: number = 1;
}

/** Envelope of every paginated list; subclasses add `data`. */
export class PageBody {
  @Integer(0, Infinity, { description: 'Total number of results on all pages.', example: 150 })
  total: number;

  @Integer(1, Infinity, { description: 'Number of this page.', example: 1 })
  page: number;

  @Integer(1, MAX_PAGE_SIZE, { description: 'Maximum number of results per page.', example: 50 })
  limit: number;
}
