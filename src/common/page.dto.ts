import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptionalField, IsQueryInteger } from './validation.js';

export const DEFAULT_PAGE_SIZE = 50;
export const MAX_PAGE_SIZE = 100;

/** Query parameters of every paginated list. */
export class PageQuery {
  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: MAX_PAGE_SIZE,
    default: DEFAULT_PAGE_SIZE,
    description: 'Maximum number of results per page.',
  })
  @IsOptionalField()
  @IsQueryInteger(MAX_PAGE_SIZE)
  limit: number = DEFAULT_PAGE_SIZE;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    default: 1,
    description: 'The page to return. A page past the end is empty.',
  })
  @IsOptionalField()
  @IsQueryInteger()
  page: number = 1;
}

/** Envelope of every paginated list; subclasses add `data`. */
export class PageBody {
  @ApiProperty({ type: 'integer', example: 150, description: 'How many there are on all pages together.' })
  total: number;

  @ApiProperty({ type: 'integer', example: 1, description: 'The number of this page.' })
  page: number;

  @ApiProperty({ type: 'integer', example: 50, description: 'Maximum number of results per page.' })
  limit: number;
}
