import { ID_EXAMPLE } from '../api/fields.js';
import { conflict, forbidden, notFound } from '../http/api-error.js';

export const noRecord = (id: string) => notFound(`There is no record ${id}.`);

/** For OpenAPI. */
export const NO_RECORD = noRecord(ID_EXAMPLE);

/**
 * spec/records-api.md, section 3: "403 Forbidden: Valid authentication, but the developer lacks permission to
 * access the resource or ID." For the routes of that document alone; all others answer `noRecord`.
 */
export const foreignRecord = (id: string) => forbidden(`The record ${id} belongs to another developer.`);

export const RECORD_EXISTS = conflict(
  'A record with this developerId, resourceType and resourceKey exists already.',
);
