import { Get } from '@nestjs/common';

/** A GET route with and without `.json`, as clients of other APIs write it. OpenAPI has the first (openapi.ts). */
export const JsonGet = (path: string) => Get([`${path}.json`, path]);
