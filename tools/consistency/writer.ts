import { isDeepStrictEqual } from 'node:util';
import { type Answer, type Client, normalized } from './client.js';
import type { Entry } from './history.js';
import {
  type Content,
  contentOf,
  type Developer,
  KnownRecord,
  type Model,
  type Operation,
  type Outcome,
  type Switch,
  type Write,
} from './model.js';
import type { Random } from '../random.js';
import type { Statistics } from './statistics.js';

const RECORDS = '/api/v1/sync/records';
const TYPES = ['ROUTE', 'TRIP', 'FEATURE_FLAG'];
const STATUSES = ['ACTIVE', 'PENDING_UPDATE', 'ERROR'];
const WEIGHTS = { create: 20, patch: 36, delete: 7, share: 10, unshare: 5, pin: 12, unpin: 4, peek: 8 };
/** From so many on, a library is rather deleted than extended. */
const LARGE = 60;
/** Few enough that writers meet at one record. */
const KEYS = 80;

/** What these answers mean is that nothing has happened; 500, 503 and no answer may mean anything. */
const REFUSALS = [400, 401, 403, 404, 409, 412];

/** A client of one developer that changes things at random, together with others of the same developer. */
export class Writer {
  constructor(
    readonly name: string,
    private readonly developer: Developer,
    private readonly client: Client,
    private readonly model: Model,
    private readonly random: Random,
    private readonly statistics: Statistics,
  ) {}

  /** One random request. */
  async step(): Promise<void> {
    const { random } = this;
    const own = this.model.recordsOf(this.developer).filter((record) => !record.mayBeGone);
    let operation: Operation = random.weighted(WEIGHTS);
    if (operation === 'create' && own.length > LARGE) operation = 'delete';
    if (operation === 'create' || own.length === 0) return this.create();
    // Mostly the latest ones: that is where writers meet each other, and followers who are not there yet.
    const recent = (from: KnownRecord[]) => random.pick(random.chance(0.7) ? from.slice(-6) : from);
    switch (operation) {
      case 'patch':
        return this.patch(recent(own));
      case 'delete':
        return this.delete(random.pick(own));
      case 'share':
      case 'unshare': {
        const others = this.model.developers.filter((other) => other !== this.developer);
        if (others.length === 0) return this.patch(recent(own));
        const [record, other] = [recent(own), random.pick(others)];
        const path = `${RECORDS}/${record.id}/shares/${other.id}`;
        const share = record.shareWith(other);
        await this.turn(operation, share, operation === 'share', record, path, other.id, [204]);
        return;
      }
      case 'pin':
      case 'unpin': {
        const readable = this.model.records.filter(
          (record) => record.owner !== this.developer && record.shareWith(this.developer).value === true,
        );
        const records = readable.length > 0 && random.chance(0.8) ? readable : this.model.records;
        const record = recent(records);
        const pin = record.pinOf(this.developer);
        // What was pinned before the end of its share can still be unpinned, until its `removed` arrives.
        await this.accessing(record, operation === 'pin' ? [204] : [], () =>
          this.turn(
            operation,
            pin,
            operation === 'pin',
            record,
            `${RECORDS}/${record.id}/pin`,
            '',
            [204, 403],
          ),
        );
        return;
      }
      case 'peek':
        return this.peek(random.pick(this.model.records));
    }
  }

  async create(): Promise<void> {
    const resourceType = this.random.pick(TYPES);
    const resourceKey = `key-${this.random.integer(1, KEYS)}`;
    const entry = this.begin('create', { text: `create ${resourceType} ${resourceKey}` });
    const content = this.content(entry, true);
    const write: Write = { operation: 'create', entry, content };
    const body = { developerId: this.developer.id, resourceType, resourceKey, ...content };
    const answer = await this.send(write, 'POST', RECORDS, [201, 409], { body });
    if (write.outcome === 'unknown') this.model.unknownCreations.push({ owner: this.developer, write });
    if (answer.status !== 201) return;
    entry.record = answer.body.id;
    const itemType = resourceType.toLowerCase();
    const record = new KnownRecord(answer.body.id, this.developer, itemType, write, versionOf(answer));
    this.model.records.push(record);
    this.expectContent(record, answer.body, content);
    this.learn(record, write, answer);
  }

  private async patch(record: KnownRecord): Promise<void> {
    const entry = this.begin('patch', { record: record.id, text: `patch ${record.id}` });
    const write: Write = { operation: 'patch', entry, content: this.content(entry, false) };
    let headers: Record<string, string> | undefined;
    if (this.random.chance(0.1)) {
      write.ifMatch = record.version.updatedAt;
      headers = { 'if-match': record.version.etag };
    }
    record.writes.push(write);
    const path = `${RECORDS}/${record.id}`;
    const answer = await this.send(write, 'PATCH', path, [200, 404, 412], { body: write.content, headers });
    this.expectExistence(record, answer);
    if (answer.status === 412 && write.ifMatch === undefined)
      this.model.fail('answer', 'an unconditional PATCH was answered with 412', record);
    if (answer.status !== 200) return;
    this.expectContent(record, answer.body, write.content);
    this.learn(record, write, answer);
    if (write.tick! > record.version.updatedAt) record.version = versionOf(answer);
  }

  private async delete(record: KnownRecord): Promise<void> {
    const mayHaveBeenGone = record.mayBeGone;
    const entry = this.begin('delete', { record: record.id, text: `delete ${record.id}` });
    const write: Write = { operation: 'delete', entry, content: {} };
    record.writes.push(write);
    const answer = await this.send(write, 'DELETE', `${RECORDS}/${record.id}`, [204, 404]);
    if (
      answer.status === 404 &&
      !mayHaveBeenGone &&
      record.writes.filter(({ operation }) => operation === 'delete').length === 1
    )
      this.model.fail('lost', 'answers 404, but nobody else has deleted it', record);
  }

  /** Shares, pins, or the opposite. */
  private async turn(
    operation: Operation,
    what: Switch,
    value: boolean,
    record: KnownRecord,
    path: string,
    whom: string,
    statuses: number[],
  ): Promise<Answer> {
    const entry = this.begin(operation, {
      record: record.id,
      text: `${operation} ${record.id} ${whom}`.trim(),
    });
    const write: Write = { operation, entry, content: {} };
    const end = what.turn(value, entry);
    const answer = await this.send(write, value ? 'PUT' : 'DELETE', path, [...statuses, 404]);
    end(write.outcome!);
    this.expectExistence(record, answer);
    return answer;
  }

  /** Looks at a record, or at the feed, of anybody. */
  private async peek(record: KnownRecord): Promise<void> {
    if (this.random.chance(0.2) && record.owner !== this.developer) {
      const path = `/api/v1/sync.json?since=1970-01-01&developerId=${record.owner.id}`;
      const entry = this.begin('peek', { record: record.id, text: `read the feed of ${record.owner.id}` });
      const write: Write = { operation: 'peek', entry, content: {} };
      await this.send(write, 'GET', path, [403]);
      return;
    }
    await this.accessing(record, [200], () => {
      const entry = this.begin('peek', { record: record.id, text: `read ${record.id}` });
      const write: Write = { operation: 'peek', entry, content: {} };
      return this.send(write, 'GET', `${RECORDS}/${record.id}`, [200, 403, 404]);
    });
  }

  /** Compares the answer to what the developer may see, where that is certain for the whole time of the request. */
  private async accessing(
    record: KnownRecord,
    granted: number[],
    request: () => Promise<Answer>,
  ): Promise<void> {
    const share = record.shareWith(this.developer);
    const before = share.version;
    const mayRead = record.owner === this.developer || share.value;
    const answer = await request();
    this.expectExistence(record, answer);
    if (share.version !== before || mayRead === undefined) return;
    const isGranted = granted.includes(answer.status);
    if (isGranted && !mayRead)
      this.model.fail(
        'permission',
        `${this.developer.id} got ${answer.status}, but it is not shared`,
        record,
      );
    if (answer.status === 403 && mayRead)
      this.model.fail('permission', `${this.developer.id} got 403, but may read it`, record);
  }

  private begin(operation: Operation, more: Pick<Entry, 'text' | 'record'>): Entry {
    return this.model.history.begin({
      actor: `${this.name} ${operation}`,
      developer: this.developer.id,
      ...more,
    });
  }

  private async send(
    write: Write,
    method: string,
    path: string,
    expected: number[],
    options: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const { entry, operation } = write;
    // Now and then the client itself goes away before it is answered.
    const dropAfter = this.random.chance(0.02) ? this.random.integer(1, 30) : undefined;
    const answer = await this.client.request(method, path, { ...options, dropAfter });
    const { status } = answer;
    write.outcome = outcomeOf(status);
    this.statistics.countOperation(operation, write.outcome, status);
    this.model.history.end(entry, status > 0 ? String(status) : 'no answer');
    if (status > 0 && status < 500 && !expected.includes(status)) {
      const message = `${method} ${path} answered ${status}: ${JSON.stringify(answer.body)}`;
      const record = this.model.records.find(({ id }) => id === entry.record);
      if (record) this.model.fail('answer', message, record);
      this.developer.feed.fail('answer', message, {});
    }
    return answer;
  }

  /** Different for each write, so that a content tells who wrote it. A patch sets some of the fields. */
  private content({ sent }: Entry, isWhole: boolean): Partial<Content> {
    const { random } = this;
    const data = { write: sent, text: 'x'.repeat(random.integer(0, 200)) };
    const metadata = { write: sent };
    const status = random.pick(STATUSES);
    if (isWhole) return { data, metadata, status };
    const content = random.chance(0.7) ? { data } : { metadata };
    return random.chance(0.3) ? { ...content, status } : content;
  }

  private learn(record: KnownRecord, write: Write, { body }: Answer): void {
    write.tick = normalized(body.updatedAt);
    write.answered = contentOf(body);
    Object.assign(write.entry, { datetime: write.tick, text: `${write.entry.text}, tick ${write.tick}` });
    const action = write.operation === 'create' ? 'created' : 'updated';
    this.developer.feed.learn({ datetime: write.tick, itemType: record.itemType, action }, 'its writer');
  }

  private expectContent(record: KnownRecord, body: Record<string, unknown>, content: Partial<Content>): void {
    for (const [field, value] of Object.entries(content)) {
      if (!isDeepStrictEqual(body[field], value))
        this.model.fail('content', `its ${field} was answered as ${JSON.stringify(body[field])}`, record);
    }
  }

  private expectExistence(record: KnownRecord, { status }: Answer): void {
    if (status === 404 && !record.mayBeGone)
      this.model.fail('lost', 'answers 404, but nobody has deleted it', record);
  }
}

const versionOf = ({ headers, body }: Answer) => ({
  updatedAt: normalized(body.updatedAt),
  etag: headers.get('etag') ?? '',
});

function outcomeOf(status: number): Outcome {
  if (status >= 200 && status < 300) return 'acknowledged';
  // Nobody was there to be asked, or said no.
  return status === -1 || REFUSALS.includes(status) ? 'refused' : 'unknown';
}
