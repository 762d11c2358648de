import { expect, it } from '@jest/globals';

process.env.PUBLIC_URL = 'https://sync.example';
const { isAccessToken } = await import('./access-token.js');

const header = { alg: 'ES256', typ: 'at+jwt' };
const claims = { iss: 'https://sync.example', aud: 'https://sync.example/api/v1', exp: 1_800_000_000 };

it('accepts an access token of this server', () => {
  expect(isAccessToken(header, claims)).toBe(true);
});

it.each<[string, object, object]>([
  ['another algorithm', { alg: 'RS256' }, {}],
  ['no type', { typ: undefined }, {}],
  ['the type of an ID token', { typ: 'JWT' }, {}],
  ['another issuer', {}, { iss: 'https://issuer.example' }],
  ['no issuer', {}, { iss: undefined }],
  ['another audience', {}, { aud: 'https://sync.example' }],
  ['several audiences', {}, { aud: ['https://sync.example/api/v1'] }],
  ['no expiry', {}, { exp: undefined }],
  ['an expiry that is no number', {}, { exp: '1800000000' }],
])('refuses %s', (_name, headerChanges, claimChanges) => {
  expect(isAccessToken({ ...header, ...headerChanges }, { ...claims, ...claimChanges })).toBe(false);
});
