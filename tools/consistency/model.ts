import type { Feed } from './feed.js';
import { type Entry, type History, Violation, type ViolationKind } from './history.js';

export const OPERATIONS = ['create', 'patch', 'delete', 'share', 'unshare', 'pin', 'unpin', 'read'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** `rejected`: the status says that nothing has happened. `unknown`: it may have happened or not. */
export type Outcome = 'acknowledged' | 'rejected' | 'unknown';

/** The fields of a record that a write may set. */
export const FIELDS = ['data', 'status', 'metadata'] as const;
export type Content = Record<(typeof FIELDS)[number], unknown>;

export const contentOf = ({ data, status, metadata }: Content): Content => ({ data, status, metadata });

/** A create, patch or delete, and its outcome. */
export interface Write {
  operation: Operation;
  entry: Entry;
  /** The fields that it sets. */
  content: Partial<Content>;
  outcome?: Outcome;
  /** Datetime of its change in the owner's feed: `updatedAt` of the response. */
  tick?: string;
  /** The whole content of the record, as the response shows it. */
  responseContent?: Content;
  /** `updatedAt` of the version in its `If-Match`. */
  ifMatch?: string;
}

export interface Developer {
  developerId: string;
  feed: Feed;
}

/**
 * The expected value of a flag that several clients set concurrently. It is known only after a request that
 * overlapped no other one. After a request with an unknown outcome it stays unknown for ever, because that
 * request may still take effect.
 */
export class ExpectedFlag {
  /** Undefined: unknown. */
  value: boolean | undefined;
  /** Number of requests that were sent. */
  version = 0;
  /** The requests that set it to true and to false. */
  readonly requests = { on: [] as Entry[], off: [] as Entry[] };
  private pending = 0;

  constructor(value: boolean) {
    this.value = value;
  }

  /** Notes that a request is being sent. Call the result with its outcome. */
  set(value: boolean, entry: Entry): (outcome: Outcome) => void {
    const [before, isAlone, version] = [this.value, this.pending === 0, ++this.version];
    this.requests[value ? 'on' : 'off'].push(entry);
    this.pending++;
    this.value = undefined;
    return (outcome) => {
      if (outcome === 'unknown') return;
      this.pending--;
      if (isAlone && this.version === version) this.value = outcome === 'acknowledged' ? value : before;
    };
  }
}

/** A record whose creation was acknowledged. */
export class KnownRecord {
  readonly writes: Write[] = [];
  private readonly shares = new Map<string, ExpectedFlag>();
  private readonly pins = new Map<string, ExpectedFlag>();

  constructor(
    readonly id: string,
    readonly owner: Developer,
    readonly itemType: string,
    readonly created: Write,
    /** The latest acknowledged version. */
    public version: { updatedAt: string; etag: string },
  ) {}

  get createdAt(): string {
    return this.created.tick!;
  }

  /** True as soon as a deletion was sent that was not rejected. */
  get mayBeDeleted(): boolean {
    return this.writes.some(({ operation, outcome }) => operation === 'delete' && outcome !== 'rejected');
  }

  /** Is it shared with this developer? */
  shareWith(developer: Developer): ExpectedFlag {
    return flagOf(this.shares, developer);
  }

  /** Is it in the collection of this developer? */
  pinOf(developer: Developer): ExpectedFlag {
    return flagOf(this.pins, developer);
  }
}

function flagOf(flags: Map<string, ExpectedFlag>, { developerId }: Developer): ExpectedFlag {
  const found = flags.get(developerId) ?? new ExpectedFlag(false);
  flags.set(developerId, found);
  return found;
}

/** The state that the server must have, derived from the requests of the checker and their outcomes. */
export class Model {
  readonly records: KnownRecord[] = [];
  /** Creations with an unknown outcome. */
  readonly unknownCreations: { owner: Developer; write: Write }[] = [];

  constructor(
    readonly developers: readonly Developer[],
    readonly history: History,
    /** The feed may be read from a lagging replica. */
    readonly mayLag: boolean,
  ) {}

  recordsOf(owner: Developer): KnownRecord[] {
    return this.records.filter((record) => record.owner === owner);
  }

  fail(kind: ViolationKind, message: string, record: KnownRecord, datetime?: string): never {
    const { developerId } = record.owner;
    throw new Violation(kind, `record ${record.id} of ${developerId}: ${message}`, {
      developerId,
      record: record.id,
      datetime,
    });
  }
}
