/*
 * ISO 8601, in basic or extended format: a calendar, ordinal or week date, alone or with a time of hours, minutes or
 * seconds, whose last unit may have a fraction. As in RFC 3339, a space may stand for the `T`, and letters may be
 * lower case. A space for the sign of the offset is a `+` that was not percent-encoded in a query.
 */
const DATE = [
  String.raw`(?<year>\d{4})(?<dash>-?)`,
  String.raw`(?:(?<month>\d\d)\k<dash>(?<day>\d\d)|W(?<week>\d\d)\k<dash>(?<weekday>[1-7])|(?<yearDay>\d{3}))`,
].join('');
const TIME = [
  String.raw`(?<hour>\d\d)(?:(?<colon>:?)(?<minute>\d\d)(?:\k<colon>(?<second>\d\d))?)?`,
  String.raw`(?:[.,](?<fraction>\d{1,99}))?`,
].join('');
const OFFSET = String.raw`Z|(?<sign>[+\- ])(?<offsetHour>\d\d)(?::?(?<offsetMinute>\d\d))?`;
const DATETIME = new RegExp(`^${DATE}(?:[T ]${TIME}(?<offset>${OFFSET})?)?$`, 'i');

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export interface ParsedDatetime {
  /** In ms since 1970; an offset may move it out of the years 0000 to 9999. */
  time: number;
  /** Without an offset, `time` takes it for UTC. */
  hasOffset: boolean;
}

/** The moment of a valid datetime. */
export const momentOf = (text: string) => new Date(parseDatetime(text)!.time);

type Groups = Partial<Record<string, string>>;

/**
 * A datetime of ISO 8601. Digits beyond the millisecond are cut off. A date alone is its midnight.
 *
 * Refused, since they name no moment: dates that do not exist, leap seconds (Unix time has none), weeks, months and
 * years alone, an offset without a time.
 *
 * @returns undefined for any other text
 */
export function parseDatetime(text: string): ParsedDatetime | undefined {
  const groups: Groups | undefined = DATETIME.exec(text)?.groups;
  if (!groups) return undefined;
  const date = dateOf(groups);
  const time = timeOf(groups);
  const offset = offsetOf(groups);
  if (date === undefined || time === undefined || offset === undefined) return undefined;
  return { time: date + time - offset, hasOffset: groups.offset !== undefined };
}

/** Midnight of a day that may not exist, in ms since 1970: day 0 or 32 is one of another month. */
const midnight = (year: number, month: number, day: number) =>
  new Date(0).setUTCFullYear(year, month - 1, day);

function dateOf({ year: digits, month, day, week, weekday, yearDay }: Groups): number | undefined {
  const year = Number(digits);
  if (yearDay !== undefined) {
    const date = midnight(year, 1, Number(yearDay));
    return new Date(date).getUTCFullYear() === year ? date : undefined;
  }
  if (week !== undefined) {
    const monday = firstMonday(year) + (Number(week) - 1) * 7 * DAY;
    const isReal = monday >= firstMonday(year) && monday < firstMonday(year + 1);
    return isReal ? monday + (Number(weekday) - 1) * DAY : undefined;
  }
  const date = midnight(year, Number(month), Number(day));
  const found = new Date(date);
  return found.getUTCMonth() === Number(month) - 1 && found.getUTCDate() === Number(day) ? date : undefined;
}

/** Monday of the first week of a year: the week that has 4 January. */
function firstMonday(year: number): number {
  const date = midnight(year, 1, 4);
  return date - ((new Date(date).getUTCDay() + 6) % 7) * DAY;
}

function timeOf({ hour = '0', minute, second, fraction = '0' }: Groups): number | undefined {
  const unit = second !== undefined ? SECOND : minute !== undefined ? MINUTE : HOUR;
  // In integers: 0.1 of a minute is 6,000 ms, however many digits follow.
  const part = Number((BigInt(fraction) * BigInt(unit)) / 10n ** BigInt(fraction.length));
  const [hours, minutes, seconds] = [hour, minute, second].map((digits) => Number(digits ?? 0));
  const time = hours * HOUR + minutes * MINUTE + seconds * SECOND + part;
  // 24:00 is the end of the day, the midnight of the next one.
  const isReal = minutes < 60 && seconds < 60 && (hours < 24 || (time === DAY && !/[1-9]/.test(fraction)));
  return isReal ? time : undefined;
}

function offsetOf({ sign, offsetHour = '0', offsetMinute = '0' }: Groups): number | undefined {
  const [hours, minutes] = [Number(offsetHour), Number(offsetMinute)];
  if (hours > 23 || minutes > 59) return undefined;
  return (sign === '-' ? -1 : 1) * (hours * HOUR + minutes * MINUTE);
}
