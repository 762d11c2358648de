import { expect, it } from '@jest/globals';

Object.assign(process.env, {
  JWT_JWKS_URL: 'https://issuer.example/jwks.json',
  JWT_ISSUER: 'https://issuer.example',
  JWT_AUDIENCE: 'tidemark',
});
const { readExternalToken } = await import('./external-token.js');

const header = { alg: 'RS256', typ: 'at+jwt' };
const claims = { iss: 'https://issuer.example', aud: 'tidemark', sub: 'dev-1', exp: 1_800_000_000 };

const read = (changes: object = {}, headerChanges: object = {}) =>
  readExternalToken({ ...header, ...headerChanges }, { ...claims, ...changes });

it('reads the developer and the scopes, without sync:admin', () => {
  expect(read({ scope: 'sync:read sync:admin email' })).toEqual({
    developerId: 'dev-1',
    scopes: ['sync:read', 'email'],
    isApplication: false,
  });
});

it.each(['at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/At+Jwt'])('accepts typ %s', (typ) => {
  expect(read({}, { typ })).toBeDefined();
});

it.each([
  undefined,
  null,
  '',
  'JWT',
  'at+jwt ',
  'xat+jwt',
  'application/application/at+jwt',
  'text/at+jwt',
  ['at+jwt'],
  { toString: 'at+jwt' },
])('refuses typ %j', (typ) => {
  expect(read({}, { typ })).toBeUndefined();
});

it.each(['client_id', 'azp', 'cid', 'appid'])('takes a token with %s for one of an application', (name) => {
  for (const value of ['app', '', null, 7, ['dev-1']])
    expect(read({ [name]: value })).toMatchObject({ developerId: 'dev-1', isApplication: true });
  expect(read({ [name]: 'dev-1' })).toBeUndefined();
});

it.each([[{ jkt: 'x' }], [{}], [null], ['']])('refuses cnf %j', (cnf) => {
  expect(read({ cnf })).toBeUndefined();
});
