import { performance } from 'node:perf_hooks';

/** What a history or a violation is about; what is left out is about all. */
export interface Subject {
  developer?: string;
  /** UUID of the records API. */
  record?: string;
  /** Integer of the feed. */
  item?: number;
  follower?: string;
  /** Of a change in the feed of `developer`. */
  datetime?: string;
}

/** One thing that the checker did, or that was done to it. */
export interface Entry extends Subject {
  /** Position in the history: what was sent after an answer had come has the higher one. */
  readonly sent: number;
  readonly at: number;
  actor: string;
  text: string;
  /** Undefined while it is going on. */
  done?: number;
  doneAt?: number;
  outcome?: string;
  isFault?: boolean;
  /** Of an answer of the feed: its range and its items. */
  range?: { since: string; until: string };
  datetimes?: string[];
  items?: number[];
}

export type ViolationKind =
  /** A change that a follower, or nobody, gets to know. */
  | 'lost'
  | 'delivered-twice'
  /** Out of order, or an impossible sequence of actions. */
  | 'order'
  | 'cursor'
  /** An answered write that a later request did not show. */
  | 'stale'
  /** A record without its event, an event without its record, or a record that is nobody's write. */
  | 'half-there'
  | 'content'
  | 'permission'
  /** A change that has not reached those who pinned the item. */
  | 'undelivered'
  | 'answer'
  | 'process';

/** A promise of the server that did not hold. */
export class Violation extends Error {
  constructor(
    readonly kind: ViolationKind,
    message: string,
    readonly subject: Subject,
  ) {
    super(message);
  }
}

/** How many lines a reader is shown at most. */
const LINES = 60;

/** Everything that happened, in order. */
export class History {
  private readonly entries: Entry[] = [];
  private position = 0;
  private isOver = false;
  /** Both names of what has been seen under both. */
  readonly records = new Map<number, string>();
  private readonly start = performance.now();

  /** Notes the beginning of something. */
  begin(entry: Omit<Entry, 'sent' | 'at'>): Entry {
    const begun = { ...entry, sent: this.position++, at: performance.now() - this.start };
    if (!this.isOver) this.entries.push(begun);
    return begun;
  }

  end(entry: Entry, outcome: string, more: Partial<Entry> = {}): void {
    if (this.isOver) return;
    Object.assign(entry, more, { done: this.position++, doneAt: performance.now() - this.start, outcome });
  }

  /** What happens from now on is only the end of the checker itself. */
  close(): void {
    this.isOver = true;
  }

  /** Takes an entry back that turned out to say nothing, such as an idle poll. */
  forget(entry: Entry): void {
    const index = this.entries.lastIndexOf(entry);
    if (index >= 0) this.entries.splice(index, 1);
  }

  /**
   * The shortest part of the history that shows the violation: what happened to its item, what its follower was told
   * about the time in question, and what was going on in the meantime.
   */
  reduce({ subject }: Violation): Entry[] {
    const record = subject.record ?? this.records.get(subject.item ?? NaN);
    const [item] = [...this.records].find(([, id]) => id === record) ?? [subject.item];
    const isOfItem = (entry: Entry) =>
      (record !== undefined && entry.record === record) ||
      (item !== undefined && (entry.item === item || entry.items?.includes(item)));
    const { datetime } = subject;
    const isOfFeed = (entry: Entry) => entry.developer === subject.developer;
    const isOfMoment = (entry: Entry) =>
      datetime !== undefined &&
      isOfFeed(entry) &&
      (entry.datetime === datetime || entry.datetimes?.includes(datetime));
    const ofFollower = this.entries.filter(
      ({ follower }) => follower !== undefined && follower === subject.follower,
    );
    const answers = new Set(
      datetime === undefined
        ? ofFollower.slice(-5)
        : ofFollower.filter(({ range }) => range && range.since < datetime && datetime <= range.until),
    );
    // Of other followers, the first answer that shows the moment is enough.
    let isShown = false;
    const isCore = (entry: Entry) => {
      if (answers.has(entry)) return true;
      if (entry.range === undefined) return isOfItem(entry) || isOfMoment(entry);
      if (entry.follower === subject.follower) return datetime === undefined && isOfItem(entry);
      if (isShown || !isOfMoment(entry)) return false;
      return (isShown = true);
    };
    const core = this.entries.filter(isCore);
    // Nobody's record or feed, such as the end of a server: what was done to it last.
    if (core.length === 0) return this.entries.filter(({ isFault }) => isFault).slice(-10);
    const key = core.filter((entry) => isOfMoment(entry) || answers.has(entry));
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
      .slice(-LINES / 3);
    // The end of a long story tells more than its beginning.
    return [...core.slice(-LINES), ...meanwhile].sort((a, b) => a.sent - b.sent);
  }

  /** As a timeline for a reader, in ms since the start. */
  static format(entries: Entry[]): string {
    return entries
      .map(({ at, doneAt, actor, text, outcome }) => {
        const end = doneAt === undefined ? '…' : doneAt.toFixed(1);
        return `  ${at.toFixed(1).padStart(9)} – ${end.padEnd(9)} ${actor.padEnd(28)} ${text} → ${outcome ?? 'going on'}`;
      })
      .join('\n');
  }
}
