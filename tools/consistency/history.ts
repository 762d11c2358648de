import { performance } from 'node:perf_hooks';

/** Subject of an entry or a violation; an undefined field means: any. */
export interface Subject {
  developerId?: string;
  /** UUID of a record. */
  record?: string;
  /** Item id in the feed. */
  item?: number;
  /** Name of a follower. */
  follower?: string;
  /** Datetime of a change in the feed of `developerId`. */
  datetime?: string;
}

/** One request of the checker, or one fault. */
export interface Entry extends Subject {
  /** Logical clock: a request that was sent after a response had arrived has the higher number. */
  readonly sent: number;
  /** Start, in ms since the start of the history. */
  readonly at: number;
  actor: string;
  text: string;
  /** Logical time of the response; undefined while the request is in flight. */
  done?: number;
  doneAt?: number;
  outcome?: string;
  isFault?: boolean;
  /** For a response of the feed: its range and its items. */
  range?: { since: string; until: string };
  datetimes?: string[];
  items?: number[];
}

export type ViolationKind =
  /** Lost change: a follower, or every reader, misses it. */
  | 'lost'
  | 'delivered-twice'
  /** Wrong order, or an impossible sequence of actions. */
  | 'order'
  | 'cursor'
  /** Stale read: a later request does not show an acknowledged write. */
  | 'stale'
  /** A record without its event, an event without its record, or a record that no client wrote. */
  | 'not-atomic'
  | 'content'
  | 'permission'
  /** A change that has not reached the developers who pinned the item. */
  | 'undelivered'
  /** An unexpected response. */
  | 'response'
  | 'process';

/** A guarantee of the server that did not hold. */
export class Violation extends Error {
  constructor(
    readonly kind: ViolationKind,
    message: string,
    readonly subject: Subject,
  ) {
    super(message);
  }
}

/** Maximum length of a printed timeline. */
const MAX_TIMELINE_LINES = 60;

/** All requests and faults of a run, in order. */
export class History {
  private readonly entries: Entry[] = [];
  /** Logical clock. */
  private position = 0;
  private isClosed = false;
  /** Record UUIDs by item id, for records that were seen under both names. */
  readonly records = new Map<number, string>();
  private readonly start = performance.now();

  /** Logs the start of a request or fault. */
  begin(entry: Omit<Entry, 'sent' | 'at'>): Entry {
    const begun = { ...entry, sent: this.position++, at: performance.now() - this.start };
    if (!this.isClosed) this.entries.push(begun);
    return begun;
  }

  /** Logs its end. */
  end(entry: Entry, outcome: string, more: Partial<Entry> = {}): void {
    if (this.isClosed) return;
    Object.assign(entry, more, { done: this.position++, doneAt: performance.now() - this.start, outcome });
  }

  /** Stops logging: what happens from now on is the shutdown of the checker itself. */
  close(): void {
    this.isClosed = true;
  }

  /** Removes an entry without information, such as an idle poll. */
  discard(entry: Entry): void {
    const index = this.entries.lastIndexOf(entry);
    if (index >= 0) this.entries.splice(index, 1);
  }

  /**
   * The shortest part of the history that shows a violation: the requests about its item, the responses that
   * its follower received for the time in question, and the faults and writes in the meantime.
   */
  timelineOf({ subject }: Violation): Entry[] {
    const record = subject.record ?? this.records.get(subject.item ?? NaN);
    const [item] = [...this.records].find(([, id]) => id === record) ?? [subject.item];
    const isOfItem = (entry: Entry) =>
      (record !== undefined && entry.record === record) ||
      (item !== undefined && (entry.item === item || entry.items?.includes(item)));
    const { datetime } = subject;
    const isOfFeed = (entry: Entry) => entry.developerId === subject.developerId;
    const isOfDatetime = (entry: Entry) =>
      datetime !== undefined &&
      isOfFeed(entry) &&
      (entry.datetime === datetime || entry.datetimes?.includes(datetime));
    const ofFollower = this.entries.filter(
      ({ follower }) => follower !== undefined && follower === subject.follower,
    );
    const responses = new Set(
      datetime === undefined
        ? ofFollower.slice(-5)
        : ofFollower.filter(({ range }) => range && range.since < datetime && datetime <= range.until),
    );
    // Of the other followers, one response with the change in question is enough.
    let isShown = false;
    const isCore = (entry: Entry) => {
      if (responses.has(entry)) return true;
      if (entry.range === undefined) return isOfItem(entry) || isOfDatetime(entry);
      if (entry.follower === subject.follower) return datetime === undefined && isOfItem(entry);
      if (isShown || !isOfDatetime(entry)) return false;
      return (isShown = true);
    };
    const core = this.entries.filter(isCore);
    // No entry about the subject, as for a crashed server: show the last faults.
    if (core.length === 0) return this.entries.filter(({ isFault }) => isFault).slice(-10);
    const key = core.filter((entry) => isOfDatetime(entry) || responses.has(entry));
    const span = key.length > 0 ? key : core.slice(-2);
    const [from, to] = [
      Math.min(...span.map(({ at }) => at)),
      Math.max(...span.map(({ at, doneAt }) => doneAt ?? at)),
    ];
    const isMeanwhile = (entry: Entry) =>
      entry.at <= to &&
      (entry.doneAt ?? Infinity) >= from &&
      (entry.isFault === true || (entry.follower === undefined && isOfFeed(entry)));
    const inCore = new Set(core);
    const meanwhile = this.entries
      .filter((entry) => !inCore.has(entry) && isMeanwhile(entry))
      .slice(-MAX_TIMELINE_LINES / 3);
    // If there are too many lines, the last ones tell more than the first.
    return [...core.slice(-MAX_TIMELINE_LINES), ...meanwhile].sort((a, b) => a.sent - b.sent);
  }

  /** Formats a timeline; times are in ms since the start. */
  static format(entries: Entry[]): string {
    return entries
      .map(({ at, doneAt, actor, text, outcome }) => {
        const end = doneAt === undefined ? '…' : doneAt.toFixed(1);
        const span = `${at.toFixed(1).padStart(9)} – ${end.padEnd(9)}`;
        return `  ${span} ${actor.padEnd(28)} ${text} → ${outcome ?? 'in flight'}`;
      })
      .join('\n');
  }
}
