import { ApiParam } from '@nestjs/swagger';
import { notFound } from '../http/api-error.js';

/** Documents the id of a record in the path of a route. */
export const ApiRecordId = () => ApiParam({ name: 'id', format: 'uuid', description: 'The record.' });
export const NO_RECORD = notFound('There is no record 0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d.');
