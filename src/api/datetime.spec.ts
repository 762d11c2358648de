import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseDatetime } from './datetime.js';
import { isDatetime } from './rules.js';

const DAY = 86_400_000;
const pad = (value: number, length = 2) => String(value).padStart(length, '0');
const iso = (text: string) => {
  const parsed = parseDatetime(text);
  return parsed && new Date(parsed.time).toISOString();
};

/** The spellings of a date, in extended and basic format, found by counting days. */
function datesOf(date: Date): [extended: string, basic: string][] {
  const year = date.getUTCFullYear();
  const yearDay = Math.floor((date.getTime() - new Date(0).setUTCFullYear(year, 0, 1)) / DAY) + 1;
  // A week belongs to the year of its Thursday.
  const weekday = date.getUTCDay() || 7;
  const thursday = new Date(date.getTime() + (4 - weekday) * DAY);
  let week = 0;
  for (
    let time = thursday.getTime();
    new Date(time).getUTCFullYear() === thursday.getUTCFullYear();
    time -= 7 * DAY
  )
    week++;
  const parts = [
    [pad(year, 4), pad(date.getUTCMonth() + 1), pad(date.getUTCDate())],
    [pad(year, 4), pad(yearDay, 3)],
    [pad(thursday.getUTCFullYear(), 4), `W${pad(week)}`, String(weekday)],
  ];
  return parts.map((part) => [part.join('-'), part.join('')]);
}

const minutesOf = (offset: number) => [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60] as const;

/** The spellings of an offset of UTC in minutes; as in a query, a space may be a plus sign. */
function offsetsOf(offset: number): string[] {
  const [hours, minutes] = minutesOf(offset).map((value) => pad(value));
  return (offset < 0 ? ['-'] : ['+', ' ']).flatMap((sign) => [
    `${sign}${hours}:${minutes}`,
    `${sign}${hours}${minutes}`,
    ...(minutes === '00' ? [`${sign}${hours}`] : []),
    ...(offset === 0 ? ['Z', 'z', '-00:00', '-0000', '-00'] : []),
  ]);
}

/** The spellings of a time of day, in extended and basic format. */
function timesOf(date: Date, digits: string): string[] {
  const [hour, minute, second] = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map((n) =>
    pad(n),
  );
  const ms = date.getUTCMilliseconds();
  const isSecond = ms === 0;
  const isMinute = isSecond && second === '00';
  const isHour = isMinute && minute === '00';
  return [
    ...['.', ','].flatMap((comma) =>
      [`${hour}:${minute}:${second}`, `${hour}${minute}${second}`].map(
        (time) => `${time}${comma}${pad(ms, 3)}${digits}`,
      ),
    ),
    ...(isSecond ? [`${hour}:${minute}:${second}`, `${hour}${minute}${second}`] : []),
    ...(isMinute ? [`${hour}:${minute}`, hour + minute] : []),
    ...(isHour ? [hour] : []),
  ];
}

describe('parseDatetime', () => {
  it('reads every spelling of a moment as that moment', () => {
    const moment = fc
      .tuple(
        fc.integer({ min: Date.parse('0001-01-03'), max: Date.parse('9998-12-29') }),
        fc.constantFrom(1, 1_000, 60_000, 3_600_000, DAY),
      )
      .map(([time, unit]) => new Date(Math.floor(time / unit) * unit));
    const offset = fc.oneof(fc.integer({ min: -1_439, max: 1_439 }), fc.constantFrom(-720, 0, 60));
    fc.assert(
      fc.property(moment, offset, fc.stringMatching(/^\d{0,9}$/), (date, minutes, digits) => {
        const local = new Date(date.getTime() + minutes * 60_000);
        const texts = datesOf(local)
          .flat()
          .flatMap((day) =>
            timesOf(local, digits).flatMap((time) => [`${day}T${time}`, `${day}t${time}`, `${day} ${time}`]),
          )
          .flatMap((text) => offsetsOf(minutes).map((end) => text + end));
        const wrong = texts.filter((text) => {
          const parsed = parseDatetime(text);
          return parsed?.time !== date.getTime() || !parsed.hasOffset;
        });
        expect(wrong).toEqual([]);
      }),
      { seed: Number(process.env.TEST_SEED), numRuns: 100 },
    );
  });

  it('reads a date alone as its midnight, and a time without an offset as UTC', () => {
    const day = fc.integer({ min: -700_000, max: 2_900_000 }).map((days) => new Date(days * DAY));
    fc.assert(
      fc.property(day, (date) => {
        const texts = datesOf(date).flatMap(([extended, basic]) => [
          extended,
          basic,
          `${extended}T00:00`,
          `${basic} 00`,
        ]);
        expect(texts.map((text) => parseDatetime(text))).toEqual(
          texts.map(() => ({ time: date.getTime(), hasOffset: false })),
        );
      }),
      { seed: Number(process.env.TEST_SEED), numRuns: 100 },
    );
  });

  it.each([
    ['20250101T000000Z', '2025-01-01T00:00:00.000Z'],
    ['20250101T0000+0130', '2024-12-31T22:30:00.000Z'],
    ['2025-01-01 00:00:00 00:00', '2025-01-01T00:00:00.000Z'],
    ['2025-01-01 00 01', '2024-12-31T23:00:00.000Z'],
    ['2024-12-31T24:00:00Z', '2025-01-01T00:00:00.000Z'],
    ['2024-12-31T24:00:00,000Z', '2025-01-01T00:00:00.000Z'],
    ['2024-W53-1', undefined],
    ['2020-W53-5T12:00Z', '2021-01-01T12:00:00.000Z'],
    ['2025-W01-1', '2024-12-30T00:00:00.000Z'],
    ['2024-366', '2024-12-31T00:00:00.000Z'],
    ['2025-01-01T10.5Z', '2025-01-01T10:30:00.000Z'],
    ['2025-01-01T10:00,1Z', '2025-01-01T10:00:06.000Z'],
    ['2025-01-01T10:00:00.3333333333333333333Z', '2025-01-01T10:00:00.333Z'],
    ['20250101T00:00:00Z', '2025-01-01T00:00:00.000Z'],
  ])('reads %s', (text, expected) => expect(iso(text)).toBe(expected));

  it.each([
    ['a leap second', '2016-12-31T23:59:60Z'],
    ['a moment after 24:00', '2024-01-01T24:00:01Z'],
    ['a fraction after 24:00', '2024-01-01T24:00:00.0001Z'],
    ['30 February', '2024-02-30T00:00Z'],
    ['day 366 of a common year', '2023-366'],
    ['day 0 of a year', '2023-000'],
    ['week 0', '2024-W00-1'],
    ['week 53 of a year of 52', '2024-W53-1'],
    ['weekday 0', '2024-W01-0'],
    ['weekday 8', '2024-W01-8'],
    ['a week', '2024-W01'],
    ['a month', '2024-01'],
    ['a year', '2024'],
    ['a time', '10:00Z'],
    ['a mixed date', '2024-0101'],
    ['a mixed time', '2024-01-01T10:0000Z'],
    ['two spaces', '2024-01-01  10:00Z'],
    ['a name of a time zone', '2024-01-01T10:00 UTC'],
    ['a time zone of RFC 9557', '2024-01-01T10:00Z[UTC]'],
    ['an offset of hour 24', '2024-01-01T10:00+24'],
    ['an offset of minute 60', '2024-01-01T10:00+0060'],
    ['an offset on a date', '2024-01-01+00:00'],
    ['an expanded year', '+002024-01-01'],
    ['a duration', 'P1D'],
    ['Unix time', '1725148800'],
  ])('refuses %s', (_name, text) => expect(parseDatetime(text)).toBeUndefined());
});

describe('isDatetime', () => {
  it.each(['20300101T000000Z', '2030-01-01 00:00+00', '2030-W01-1T00Z'])('accepts %s', (text) => {
    expect(isDatetime(text)).toBe(true);
  });

  it.each([
    '2030-01-01',
    '2030-01-01T00:00:00',
    '0000-01-01T00:00+01',
    '9999-12-31T23:59-01',
    1,
    null,
    ['2030'],
  ])('refuses %j: no offset, or another year', (value) => expect(isDatetime(value)).toBe(false));
});
