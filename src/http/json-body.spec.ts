import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ApiError } from './api-error.js';
import { isStorableText, parseJsonBody } from './json-body.js';

const parse = (text: string) => parseJsonBody(Buffer.from(text));

/** The details of the 400 that a body gets. */
function refusal(body: string | Buffer): string | undefined {
  try {
    parseJsonBody(Buffer.from(body));
  } catch (error) {
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 400, code: 'invalid_json' });
    return (error as ApiError).details;
  }
  throw new Error('was not refused');
}

/** Is this text JSON? */
function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('parseJsonBody', () => {
  it('gives nothing for an empty body', () => {
    expect(parseJsonBody(Buffer.alloc(0))).toBeUndefined();
  });

  it('gives what JSON.parse gives, for all that can be stored', () => {
    const json = fc.json({ stringUnit: 'binary' }).filter((text) => !text.includes('\\u0000'));
    fc.assert(
      fc.property(json, (text) => {
        // JSON.parse knows -0, which no JSON text of ours will ever have again.
        expect(parse(text)).toStrictEqual(JSON.parse(JSON.stringify(JSON.parse(text))));
      }),
      { seed: Number(process.env.TEST_SEED), numRuns: 500 },
    );
  });

  it.each(['-0', '[-0.0]', '{"__proto__":{"a":-0e5}}'])('has no -0 in the value of %s', (text) => {
    const zeros: unknown[] = [];
    const walk = (value: unknown): void => {
      if (typeof value === 'number') zeros.push(value);
      else if (typeof value === 'object') for (const member of Object.values(value!)) walk(member);
    };
    walk(parse(text));
    expect(zeros.map((zero) => Object.is(zero, 0))).toEqual([true]);
  });

  it('refuses whatever JSON.parse refuses', () => {
    const token = fc.constantFrom(
      ...'{}[]:,"\\-+.0123eEtfn \n\u00a0\'/',
      'true',
      'null',
      '"a"',
      '\\u00',
      '1.5',
    );
    fc.assert(
      fc.property(fc.array(token, { minLength: 1 }), (tokens) => {
        fc.pre(!isJson(tokens.join('')));
        refusal(tokens.join(''));
      }),
      { seed: Number(process.env.TEST_SEED), numRuns: 1000 },
    );
  });

  it.each(['{"__proto__":{"a":1},"constructor":2}', '{"a":{"__proto__":null}}', '{"toJSON":1,"then":2}'])(
    'takes %s as members like any others',
    (text) => {
      expect(JSON.stringify(parse(text))).toBe(text);
    },
  );

  it.each([
    '{"a":1,"a":2}',
    '{"a":1,"a":1}',
    '{"a":{},"a":{}}',
    '{"a":[],"a":{}}',
    '{"a":[1],"a":{"0":1}}',
    '{"a":1,"\\u0061":1}',
    '[{"b":{"__proto__":1,"__proto__":1}}]',
  ])('refuses a repeated key: %s', (text) => {
    expect(refusal(text)).toMatch(/Duplicate key|same key twice/);
  });

  it.each(['{"a":{"a":{"a":1}}}', '[{"a":1},{"a":1}]', '{"a":"{\\"b\\":1,\\"b\\":1}"}', '{":":1,"::":2}'])(
    'sees no repeated key in %s',
    (text) => {
      expect(parse(text)).toEqual(JSON.parse(text));
    },
  );
});

describe('a number', () => {
  it.each([
    '0',
    '-0',
    '0.0',
    '0e999',
    '1',
    '-1',
    '1e2',
    '1.50',
    '0.1',
    '0.10000000000000001',
    '5e-324',
    '1e308',
  ])('%s is kept', (text) => {
    expect(JSON.stringify(parse(text))).toBe(JSON.stringify(Number(text)));
  });

  it.each([
    '9007199254740993',
    '72057594037927936',
    '0.12345678901234567890',
    '900719925474.12345',
    '4503599627370496.3',
    '9007199254740991.5',
    '3e-324',
    '1e-400',
    '1e400',
    '-1e400',
  ])('%s is refused', (text) => {
    expect(refusal(`{"a":${text}}`)).toContain(text);
  });

  it('is kept when JavaScript, or printf with 17 digits, has written it', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(parse(JSON.stringify(value))).toBe(value + 0);
        if (!Number.isInteger(value)) expect(parse(value.toExponential(16))).toBe(value);
      }),
      { seed: Number(process.env.TEST_SEED), numRuns: 1000 },
    );
  });

  it('that is an integer comes back digit by digit, or is refused', () => {
    // Up to 21 digits JavaScript prints them all.
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }).map(String), (text) => {
        if (String(Number(text)) === text) expect(parse(text)).toBe(Number(text));
        else refusal(text);
      }),
      { seed: Number(process.env.TEST_SEED), numRuns: 1000 },
    );
  });

  it('of a million digits is refused at once', () => {
    const start = performance.now();
    refusal(`0.1${'0'.repeat(1_000_000)}1`);
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});

describe('nesting', () => {
  const nested = (depth: number) => `${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`;

  it('of 100 levels below the body passes, brackets in strings aside', () => {
    expect(parse(`{"data":${nested(100)}}`)).toEqual({ data: JSON.parse(nested(100)) });
    expect(parse(JSON.stringify({ a: '[{"'.repeat(200) }))).toEqual({ a: '[{"'.repeat(200) });
  });

  it.each([102, 1_000_000])('of %i levels is refused', (depth) => {
    expect(refusal(nested(depth))).toContain('100 levels');
  });
});

describe('the number of objects, arrays and members', () => {
  it.each([
    ['members', (n: number) => `{${Array.from({ length: n - 1 }, (_, i) => `"${i}":0`).join()}}`],
    ['objects', (n: number) => `[${'{},'.repeat(n - 2)}{}]`],
    ['arrays', (n: number) => `[${'[],'.repeat(n - 2)}[]]`],
  ])('is limited to 100,000: %s', (_name, json) => {
    expect(parse(json(100_000))).toEqual(JSON.parse(json(100_000)));
    expect(refusal(json(100_001))).toContain('100000 objects');
  });
});

describe('isStorableText', () => {
  it.each(['', 'text', 'ä€😀', '\ud83d\ude00', '\u0001', '\uffff'])('allows %j', (text) => {
    expect(isStorableText(text)).toBe(true);
  });

  it.each(['\0', 'a\0b', '\ud83d', '\ude00', '\ude00\ud83d', 'a\ud83d'])('refuses %j', (text) => {
    expect(isStorableText(text)).toBe(false);
    expect(refusal(JSON.stringify([{ [text]: 1 }]).replace('\0', '\\u0000'))).toMatch(/NUL.*surrogate/);
    expect(refusal(JSON.stringify({ a: [text] }))).toMatch(/NUL.*surrogate/);
  });
});
