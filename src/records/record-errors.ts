import { ID_EXAMPLE } from '../api/fields.js';
import { conflict, notFound } from '../http/api-error.js';

export const noRecord = (id: string) => notFound(`There is no record ${id}.`);

/** For OpenAPI. */
export const NO_RECORD = noRecord(ID_EXAMPLE);

export const RECORD_EXISTS = conflict(
  'A record with this developerId, resourceType and resourceKey exists already.',
);
