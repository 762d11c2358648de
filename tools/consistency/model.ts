import type { Feed } from './feed.js';
import { type Entry, type History, Violation, type ViolationKind } from './history.js';

export const OPERATIONS = ['create', 'patch', 'delete', 'share', 'unshare', 'pin', 'unpin', 'peek'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** `refused`: answered with a status that says that nothing has happened. `unknown`: it may have happened or not. */
export type Outcome = 'acknowledged' | 'refused' | 'unknown';

/** The fields of a record that a write may set. */
export const FIELDS = ['data', 'status', 'metadata'] as const;
export type Content = Record<(typeof FIELDS)[number], unknown>;

export const contentOf = ({ data, status, metadata }: Content): Content => ({ data, status, metadata });

/** A create, patch or delete, and how it ended. */
export interface Write {
  operation: Operation;
  entry: Entry;
  /** What it sets. */
  content: Partial<Content>;
  outcome?: Outcome;
  /** Of its change in the owner's feed: `updatedAt` of the answer. */
  tick?: string;
  /** What the answer said that the record is now. */
  answered?: Content;
  /** `updatedAt` of the version that it was conditional on. */
  ifMatch?: string;
}

export interface Developer {
  id: string;
  feed: Feed;
}

/**
 * A switch that several clients turn on and off at once. Its value is known only where no two turns overlap, and never
 * again after one whose outcome is unknown: it may still come to pass.
 */
export class Switch {
  value: boolean | undefined;
  /** Counts the turns that were begun. */
  version = 0;
  /** Of these, those to `true` and those to `false`. */
  readonly turns = { on: [] as Entry[], off: [] as Entry[] };
  private pending = 0;

  constructor(value: boolean) {
    this.value = value;
  }

  /** Call the result with how it ended. */
  turn(value: boolean, entry: Entry): (outcome: Outcome) => void {
    const [before, isAlone, version] = [this.value, this.pending === 0, ++this.version];
    this.turns[value ? 'on' : 'off'].push(entry);
    this.pending++;
    this.value = undefined;
    return (outcome) => {
      if (outcome === 'unknown') return;
      this.pending--;
      if (isAlone && this.version === version) this.value = outcome === 'acknowledged' ? value : before;
    };
  }
}

/** A record whose creation was answered. */
export class KnownRecord {
  readonly writes: Write[] = [];
  private readonly shares = new Map<string, Switch>();
  private readonly pins = new Map<string, Switch>();

  constructor(
    readonly id: string,
    readonly owner: Developer,
    readonly itemType: string,
    readonly created: Write,
    /** The latest one that was answered. */
    public version: { updatedAt: string; etag: string },
  ) {}

  get createdAt(): string {
    return this.created.tick!;
  }

  /** Has anybody tried to delete it? Then it may be gone. */
  get mayBeGone(): boolean {
    return this.writes.some(({ operation, outcome }) => operation === 'delete' && outcome !== 'refused');
  }

  /** May this developer read it? */
  shareWith(developer: Developer): Switch {
    return switchOf(this.shares, developer);
  }

  /** Is it in the collection of this developer? */
  pinOf(developer: Developer): Switch {
    return switchOf(this.pins, developer);
  }
}

function switchOf(switches: Map<string, Switch>, { id }: Developer): Switch {
  const found = switches.get(id) ?? new Switch(false);
  switches.set(id, found);
  return found;
}

/** What the checker knows to be true, from what it has done and how that was answered. */
export class Model {
  readonly records: KnownRecord[] = [];
  /** Creations whose outcome is unknown. */
  readonly unknownCreations: { owner: Developer; write: Write }[] = [];

  constructor(
    readonly developers: readonly Developer[],
    readonly history: History,
    /** May a feed be read from a database that lags behind? */
    readonly mayLag: boolean,
  ) {}

  recordsOf(owner: Developer): KnownRecord[] {
    return this.records.filter((record) => record.owner === owner);
  }

  fail(kind: ViolationKind, message: string, record: KnownRecord, datetime?: string): never {
    throw new Violation(kind, `record ${record.id} of ${record.owner.id}: ${message}`, {
      developer: record.owner.id,
      record: record.id,
      datetime,
    });
  }
}
