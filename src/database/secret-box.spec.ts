import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { randomBytes } from 'node:crypto';
import { parseSecretsKey, SecretBox } from './secret-box.js';

const [one, two] = [randomBytes(32), randomBytes(32)];

describe('SecretBox', () => {
  it('opens what it has sealed, and never seals the same text twice alike', () => {
    const box = new SecretBox([one]);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const sealed = box.seal(text, 'a.b');
        expect(sealed).not.toBe(box.seal(text, 'a.b'));
        expect(box.open(sealed, 'a.b')).toBe(text);
      }),
      { seed: Number(process.env.TEST_SEED) },
    );
  });

  it('seals with the first key, and opens with all of them; a clear text stays as it is', () => {
    const old = new SecretBox([one]).seal('secret', 'a.b');
    const both = new SecretBox([two, one]);
    expect(both.open(old, 'a.b')).toBe('secret');
    const sealed = both.seal('secret', 'a.b');
    expect(new SecretBox([two]).open(sealed, 'a.b')).toBe('secret');
    expect(() => new SecretBox([one]).open(sealed, 'a.b')).toThrow('SECRETS_KEY lacks the key');
    expect(both.open('whsec_clear', 'a.b')).toBe('whsec_clear');
  });

  it('with the key `clear` first, does not seal, and opens all the same', () => {
    const box = new SecretBox(['clear', one]);
    expect(box.seal('secret', 'a.b')).toBe('secret');
    expect(box.open(new SecretBox([one]).seal('secret', 'a.b'), 'a.b')).toBe('secret');
  });

  it('refuses a text of another place, and one that was changed', () => {
    const box = new SecretBox([one]);
    const sealed = box.seal('secret', 'a.b');
    expect(() => box.open(sealed, 'a.c')).toThrow('a.c has a secret that was not encrypted for it');
    const last = sealed.at(-3) === 'A' ? 'B' : 'A';
    expect(() => box.open(sealed.slice(0, -3) + last + sealed.slice(-2), 'a.b')).toThrow('not encrypted');
  });
});

describe('parseSecretsKey', () => {
  it.each([
    ['hex', one.toString('hex')],
    ['base64, as `openssl rand -base64 32` prints it', one.toString('base64')],
    ['base64url', one.toString('base64url')],
  ])('reads %s', (_name, text) => {
    expect(parseSecretsKey(text)).toEqual(one);
  });

  it.each(['', 'password', 'x'.repeat(42), 'x'.repeat(45), '0'.repeat(63), '0'.repeat(65), ' '.repeat(43)])(
    'refuses %j',
    (text) => expect(parseSecretsKey(text)).toBeUndefined(),
  );
});
