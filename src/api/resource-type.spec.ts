import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { singularize } from 'inflection';
import { readFileSync } from 'node:fs';
import {
  assetFilterOf,
  assetOf,
  isAsset,
  isResourceType,
  itemTypeOf,
  RESOURCE_TYPE,
} from './resource-type.js';

describe('isResourceType', () => {
  it.each([
    'ROUTE',
    'Route',
    'a',
    'A1',
    'PROJECT_CONFIG',
    'x-y_z',
    'R'.repeat(64),
    'constructor',
    'usersettings',
  ])('allows %s', (type) => {
    expect(isResourceType(type)).toBe(true);
  });

  it.each([
    '',
    '1A',
    '_A',
    '-A',
    'A B',
    'A.B',
    'A/B',
    'Ä',
    'A\n',
    'A\0',
    '\u212a',
    'R'.repeat(65),
    1,
    null,
    ['ROUTE'],
  ])('refuses %j', (type) => {
    expect(isResourceType(type)).toBe(false);
  });

  it('reserves the first path segment of every route under /api/v1/', () => {
    const { paths } = JSON.parse(readFileSync('openapi.json', 'utf8')) as { paths: object };
    const segments = Object.keys(paths)
      .filter((path) => path.startsWith('/api/v1/'))
      .map((path) => path.split('/')[3].replace(/\.json$/, ''))
      .filter((segment) => !segment.startsWith('{'));
    expect(segments).toEqual(expect.arrayContaining(['sync', 'users']));
    // The type of a segment, too: the URLs of its items have the plural.
    expect(segments.flatMap((name) => [name, singularize(name)]).filter(isResourceType)).toEqual([]);
  });

  it.each(['collection', 'user', 'sync', 'api-key', 'api-client', 'webhook'])(
    'keeps %s, its plural and their spellings for our own URLs',
    (name) => {
      for (const type of [name, assetOf(name), name.toUpperCase(), assetOf(name).toUpperCase()]) {
        expect(isResourceType(type)).toBe(false);
      }
    },
  );
});

describe('assetOf', () => {
  it.each([
    ['ROUTE', 'routes'],
    ['TRIP', 'trips'],
    ['PROJECT_CONFIG', 'project_configs'],
    ['FEATURE_FLAG_STATE', 'feature_flag_states'],
    ['EXTERNAL_API_KEY', 'external_api_keys'],
    ['POLICY', 'policies'],
    ['KEY', 'keys'],
    ['BOX', 'boxes'],
    ['STATUS', 'statuses'],
    ['PERSON', 'people'],
    ['ROUTES', 'routes'],
    ['constructor', 'constructors'],
  ])('of %s is %s', (type, asset) => {
    expect(assetOf(itemTypeOf(type))).toBe(asset);
  });

  it('of any type is a path segment, fits its column and is no name of our own', () => {
    fc.assert(
      fc.property(fc.stringMatching(RESOURCE_TYPE).filter(isResourceType), (type) => {
        const asset = assetOf(itemTypeOf(type));
        expect(asset).toMatch(/^[a-z][a-z0-9_-]{0,79}$/);
        if (asset.length <= 64) expect(isResourceType(asset)).toBe(true);
      }),
      { seed: Number(process.env.TEST_SEED), numRuns: 500 },
    );
  });
});

describe('isAsset and assetFilterOf', () => {
  it('take every type and its plural, and mean the plural by both', () => {
    fc.assert(
      fc.property(fc.stringMatching(RESOURCE_TYPE).filter(isResourceType), (type) => {
        const asset = assetOf(itemTypeOf(type));
        for (const name of [type, asset, asset.toUpperCase()]) {
          expect(isAsset(name)).toBe(true);
          expect(assetFilterOf([name])).toContain(asset);
        }
      }),
      { seed: Number(process.env.TEST_SEED), numRuns: 500 },
    );
  });

  it.each(['', '*', '1', 'users', 'USER', 'sync', 'collections', 'a.b', 'a,b', 'r'.repeat(81), 1, null])(
    'isAsset refuses %j, which no type can be',
    (name) => expect(isAsset(name)).toBe(false),
  );

  it.each([
    [
      ['trip', 'ROUTES', 'trips'],
      ['trip', 'trips', 'routes'],
    ],
    [['*'], null],
    [['routes', '*'], null],
  ])('assetFilterOf(%j) is %j', (names, filter) => expect(assetFilterOf(names)).toEqual(filter));
});
