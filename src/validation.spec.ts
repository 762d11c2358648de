import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { type Type } from '@nestjs/common';
import { validateSync } from 'class-validator';
import fc from 'fast-check';
import { CreateApiKeyDto } from './auth/api-key.dto.js';
import { CreateRecordDto, RecordsQuery, UpdateRecordDto } from './records/record.dto.js';
import { SyncQuery } from './sync-feed/sync-feed.dto.js';
import { isValid } from './common/validation.js';

const NAMES =
  'developerId resourceType resourceKey data metadata status limit page since assets compact scopes'.split(
    ' ',
  );
const value = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    '',
    'ROUTE',
    'routes,trips',
    'a,',
    'x'.repeat(256),
    'ACTIVE',
    'true',
  ),
  fc.constantFrom<unknown>('5', 0, 1, 1.5, 101, NaN, {}, { a: 'x'.repeat(1024) }, [], ['sync:read'], ['no']),
);
const plain = fc.dictionary(
  fc.oneof(fc.constantFrom(...NAMES), fc.constantFrom('color', 'expiresAt')),
  value,
);

describe('isValid', () => {
  it.each<Type>([RecordsQuery, SyncQuery, CreateRecordDto, UpdateRecordDto, CreateApiKeyDto])(
    'says yes only where class-validator has nothing to say: %p',
    (dto) => {
      fc.assert(
        fc.property(plain, (members) => {
          const instance = Object.assign(new dto(), members);
          const errors = validateSync(instance, { whitelist: true, forbidNonWhitelisted: true });
          // Rules for each element of a list are left to class-validator.
          if (dto === CreateApiKeyDto) expect(isValid(instance) && errors.length > 0).toBe(false);
          else expect(isValid(instance)).toBe(errors.length === 0);
        }),
        { numRuns: 1_000 },
      );
    },
  );
});
