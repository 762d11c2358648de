import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseSince } from './since.js';

const seed = Number(process.env.TEST_SEED);
const iso = (since: string) => new Date(parseSince(since)).toISOString();
const pad = (value: number, length = 2) => String(value).padStart(length, '0');

describe('parseSince', () => {
  it.each([
    ['2024-09-01T00:00:00Z', '2024-09-01T00:00:00.000Z'],
    ['2024-09-09T22:53:52+00:00', '2024-09-09T22:53:52.000Z'],
    ['2024-09-09T22:53:52-00:00', '2024-09-09T22:53:52.000Z'],
    ['2024-09-09T22:53:52.5+02:00', '2024-09-09T20:53:52.500Z'],
    ['2024-09-09T22:53:52.123456789-05:30', '2024-09-10T04:23:52.123Z'],
    ['2024-09-09T22:53:52', '2024-09-09T22:53:52.000Z'],
    ['2024-09-09T22:53:52.9999', '2024-09-09T22:53:52.999Z'],
    ['2024-09-09t22:53:52z', '2024-09-09T22:53:52.000Z'],
    ['20240909T225352Z', '2024-09-09T22:53:52.000Z'],
    ['2024-09-09 22:53+0000', '2024-09-09T22:53:00.000Z'],
    ['2024-01-01T24:00:00Z', '2024-01-02T00:00:00.000Z'],
    ['1970-01-01', '1970-01-01T00:00:00.000Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['0001-01-01', '0001-01-01T00:00:00.000Z'],
    ['0099-12-31', '0099-12-31T00:00:00.000Z'],
    ['0000-01-01T00:00:00+23:59', '0000-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59.999-23:59', '9999-12-31T23:59:59.999Z'],
  ])('reads %s', (since, expected) => expect(iso(since)).toBe(expected));

  it('reads a space as a plus sign that was not percent-encoded', () => {
    expect(iso('2024-09-09T22:53:52 00:00')).toBe('2024-09-09T22:53:52.000Z');
    expect(iso('2024-09-09T22:53:52.25 02:00')).toBe('2024-09-09T20:53:52.250Z');
  });

  it.each(
    [
      ['Feb 30', '2024-02-30'],
      ['Feb 29 of a common year', '2023-02-29T00:00:00Z'],
      ['month 13', '2024-13-01'],
      ['day 0', '2024-01-00'],
      ['minute 60', '2024-01-01T00:60:00Z'],
      ['second 60', '2024-01-01T23:59:60Z'],
      ['a moment after hour 24', '2024-01-01T24:00:01Z'],
      ['a month', '2024-01'],
      ['offset hour 24', '2024-01-01T00:00:00+24:00'],
      ['offset minute 60', '2024-01-01T00:00:00+00:60'],
      ['an offset on a date', '2024-01-01Z'],
      ['an empty fraction', '2024-01-01T00:00:00.Z'],
      ['space around', ' 2024-01-01'],
      ['a line break after', '2024-01-01\n'],
      ['Unix time', '1725148800'],
      ['a five-digit year', '12024-01-01'],
      ['digits of another script', '２０２４-01-01'],
      ['text', 'yesterday'],
      ['a list', ['2024-01-01', '2024-01-02']],
      ['an object', { a: '2024-01-01' }],
    ].map(([name, value]) => ({ name, value })),
  )('refuses $name with the body of the specification', ({ value }) => {
    expect(() => parseSince(value)).toThrow(
      expect.objectContaining({
        status: 400,
        response: {
          error: 'Invalid since parameter format',
          details: 'Expected ISO8601 datetime format (e.g., 2024-09-01T00:00:00Z)',
          code: 'invalid_since',
        },
      }),
    );
  });

  it.each([[undefined], ['']])('says that %p is missing', (value) => {
    expect(() => parseSince(value)).toThrow(
      expect.objectContaining({
        status: 422,
        response: { error: 'Missing required parameter: since', code: 'missing_parameter' },
      }),
    );
  });

  it('agrees with the clock for every instant, offset and fraction', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0001-01-03'), max: new Date('9999-12-29'), noInvalidDate: true }),
        fc.integer({ min: -1439, max: 1439 }),
        fc.stringMatching(/^\d{0,9}$/),
        (date, offset, more) => {
          const local = new Date(date.getTime() + offset * 60_000).toISOString().replace('Z', more);
          const distance = Math.abs(offset);
          const zone = `${offset < 0 ? '-' : '+'}${pad(Math.floor(distance / 60))}:${pad(distance % 60)}`;
          expect(parseSince(local + zone)).toBe(date.getTime());
        },
      ),
      { seed },
    );
  });

  it('answers any text with a number or one of the two errors', () => {
    const nearDates = fc.stringMatching(/^[0-9T:.Z+\- ]{0,30}$/);
    fc.assert(
      fc.property(fc.oneof(fc.string(), nearDates), (text) => {
        try {
          expect(Number.isSafeInteger(parseSince(text))).toBe(true);
        } catch (error) {
          expect([400, 422]).toContain((error as { status: number }).status);
        }
      }),
      { seed },
    );
  });
});
