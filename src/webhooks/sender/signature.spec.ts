import { expect, it } from '@jest/globals';
import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { generateSecret, signatureHeaders } from './signature.js';

const BODY = '{"notifications":[],"name":"Zürich 😀"}';

it('a secret has 32 random bytes', () => {
  const secret = generateSecret();
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  expect(generateSecret()).not.toBe(secret);
});

it('a message is accepted by a holder of either secret, and by no other', () => {
  const [secret, previous, other] = [generateSecret(), generateSecret(), generateSecret()];
  const headers = signatureHeaders('id-1', BODY, [secret, previous]);
  for (const known of [secret, previous])
    expect(new Webhook(known).verify(BODY, headers)).toEqual(JSON.parse(BODY));
  expect(() => new Webhook(other).verify(BODY, headers)).toThrow('No matching signature');
  expect(() => new Webhook(secret).verify(`${BODY} `, headers)).toThrow('No matching signature');
  expect(() => new Webhook(secret).verify(BODY, { ...headers, 'webhook-id': 'id-2' })).toThrow(
    'No matching signature',
  );
});

it('a message that is six minutes old is refused', () => {
  const secret = generateSecret();
  const headers = signatureHeaders('id-1', BODY, [secret], new Date(Date.now() - 360_000));
  expect(() => new Webhook(secret).verify(BODY, headers)).toThrow('too old');
});

it('the signature is the one that the standard describes', () => {
  const key = Buffer.alloc(32, 7);
  const headers = signatureHeaders(
    'id-1',
    BODY,
    [`whsec_${key.toString('base64')}`],
    new Date(1_700_000_000_999),
  );
  expect(headers).toEqual({
    'webhook-id': 'id-1',
    'webhook-timestamp': '1700000000',
    'webhook-signature': `v1,${createHmac('sha256', key).update(`id-1.1700000000.${BODY}`).digest('base64')}`,
  });
});
