import { isDeepStrictEqual } from 'node:util';
import { type Client, type HttpResponse, normalizeDatetime } from './client.js';
import type { Entry } from './history.js';
import {
  type Content,
  contentOf,
  type Developer,
  KnownRecord,
  type Model,
  type Operation,
  type Outcome,
  type ExpectedFlag,
  type Write,
} from './model.js';
import type { Random } from '../random.js';
import type { Statistics } from './statistics.js';

const RECORDS = '/api/v1/sync/records';
const TYPES = ['ROUTE', 'TRIP', 'FEATURE_FLAG'];
const STATUSES = ['ACTIVE', 'PENDING_UPDATE', 'ERROR'];
const WEIGHTS = { create: 20, patch: 36, delete: 7, share: 10, unshare: 5, pin: 12, unpin: 4, read: 8 };
/** A larger library is not extended: a deletion replaces the creation. */
const MAX_LIBRARY_SIZE = 60;
/** Number of resource keys: few enough that writers write to the same records. */
const RESOURCE_KEYS = 80;

/** Statuses that say that nothing has happened. After 500, 503 or no response, the outcome is unknown. */
const REJECTIONS = [400, 401, 403, 404, 409, 412];

/** A client that sends random requests for one developer, in parallel with that developer's other writers. */
export class Writer {
  constructor(
    readonly name: string,
    private readonly developer: Developer,
    private readonly client: Client,
    private readonly model: Model,
    private readonly random: Random,
    private readonly statistics: Statistics,
  ) {}

  /** Sends one random request. */
  async step(): Promise<void> {
    const { random } = this;
    const own = this.model.recordsOf(this.developer).filter((record) => !record.mayBeDeleted);
    let operation: Operation = random.weighted(WEIGHTS);
    if (operation === 'create' && own.length > MAX_LIBRARY_SIZE) operation = 'delete';
    if (operation === 'create' || own.length === 0) return this.create();
    // Mostly recent records: other writers write to them too, and followers have not received them yet.
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
        const path = `${RECORDS}/${record.id}/shares/${other.developerId}`;
        const share = record.shareWith(other);
        const isShared = operation === 'share';
        const response = await this.setFlag(operation, share, isShared, record, path, other.developerId);
        this.verifyExistence(record, response);
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
        // Only a 204 for a pin proves access: an item whose share has ended can still be unpinned, until its
        // `removed` arrives.
        await this.verifyAccess(record, operation === 'pin' ? [204] : [], 404, () =>
          this.setFlag(operation, pin, operation === 'pin', record, `${RECORDS}/${record.id}/pin`, ''),
        );
        return;
      }
      case 'read':
        return this.read(random.pick(this.model.records));
    }
  }

  async create(): Promise<void> {
    const resourceType = this.random.pick(TYPES);
    const resourceKey = `key-${this.random.integer(1, RESOURCE_KEYS)}`;
    const entry = this.begin('create', { text: `create ${resourceType} ${resourceKey}` });
    const content = this.content(entry, true);
    const write: Write = { operation: 'create', entry, content };
    const body = { developerId: this.developer.developerId, resourceType, resourceKey, ...content };
    const response = await this.send(write, 'POST', RECORDS, [201, 409], { body });
    if (write.outcome === 'unknown') this.model.unknownCreations.push({ owner: this.developer, write });
    if (response.status !== 201) return;
    entry.record = response.body.id;
    const itemType = resourceType.toLowerCase();
    const { id } = response.body;
    const record = new KnownRecord(id, this.developer, itemType, write, versionOf(response));
    this.model.records.push(record);
    this.verifyContent(record, response.body, content);
    this.acknowledge(record, write, response);
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
    const response = await this.send(write, 'PATCH', path, [200, 404, 412], { body: write.content, headers });
    this.verifyExistence(record, response);
    if (response.status === 412 && write.ifMatch === undefined)
      this.model.fail('response', 'an unconditional PATCH responded 412', record);
    if (response.status !== 200) return;
    this.verifyContent(record, response.body, write.content);
    this.acknowledge(record, write, response);
    if (write.tick! > record.version.updatedAt) record.version = versionOf(response);
  }

  private async delete(record: KnownRecord): Promise<void> {
    const mayHaveBeenDeleted = record.mayBeDeleted;
    const entry = this.begin('delete', { record: record.id, text: `delete ${record.id}` });
    const write: Write = { operation: 'delete', entry, content: {} };
    record.writes.push(write);
    const { status } = await this.send(write, 'DELETE', `${RECORDS}/${record.id}`, [204, 404]);
    if (
      status === 404 &&
      !mayHaveBeenDeleted &&
      record.writes.filter(({ operation }) => operation === 'delete').length === 1
    )
      this.model.fail('lost', 'responds 404, but no other client has deleted it', record);
  }

  /** Sends a share, unshare, pin or unpin. */
  private async setFlag(
    operation: Operation,
    flag: ExpectedFlag,
    value: boolean,
    record: KnownRecord,
    path: string,
    target: string,
  ): Promise<HttpResponse> {
    const entry = this.begin(operation, {
      record: record.id,
      text: `${operation} ${record.id} ${target}`.trim(),
    });
    const write: Write = { operation, entry, content: {} };
    const end = flag.set(value, entry);
    const response = await this.send(write, value ? 'PUT' : 'DELETE', path, [204, 404]);
    end(write.outcome!);
    return response;
  }

  /** Reads any record, or sometimes another developer's feed. */
  private async read(record: KnownRecord): Promise<void> {
    if (this.random.chance(0.2) && record.owner !== this.developer) {
      const path = `/api/v1/sync.json?since=1970-01-01&developerId=${record.owner.developerId}`;
      const entry = this.begin('read', {
        record: record.id,
        text: `read the feed of ${record.owner.developerId}`,
      });
      const write: Write = { operation: 'read', entry, content: {} };
      await this.send(write, 'GET', path, [403]);
      return;
    }
    await this.verifyAccess(record, [200], 403, () => {
      const entry = this.begin('read', { record: record.id, text: `read ${record.id}` });
      const write: Write = { operation: 'read', entry, content: {} };
      return this.send(write, 'GET', `${RECORDS}/${record.id}`, [200, 403, 404]);
    });
  }

  /**
   * Compares a response with the developer's right to read, if that is certain during the request.
   *
   * @param granted statuses that prove access
   * @param refused the status without access; 404 also means that the record is deleted
   */
  private async verifyAccess(
    record: KnownRecord,
    granted: number[],
    refused: 403 | 404,
    request: () => Promise<HttpResponse>,
  ): Promise<void> {
    const share = record.shareWith(this.developer);
    const before = share.version;
    const mayRead = record.owner === this.developer || share.value;
    const response = await request();
    if (refused !== 404) this.verifyExistence(record, response);
    if (share.version !== before || mayRead === undefined) return;
    const isGranted = granted.includes(response.status);
    if (isGranted && !mayRead)
      this.model.fail(
        'permission',
        `${this.developer.developerId} got ${response.status}, but it is not shared`,
        record,
      );
    if (response.status === refused && mayRead && !(refused === 404 && record.mayBeDeleted))
      this.model.fail('permission', `${this.developer.developerId} got ${refused}, but may read it`, record);
  }

  private begin(operation: Operation, more: Pick<Entry, 'text' | 'record'>): Entry {
    return this.model.history.begin({
      actor: `${this.name} ${operation}`,
      developerId: this.developer.developerId,
      ...more,
    });
  }

  private async send(
    write: Write,
    method: string,
    path: string,
    expected: number[],
    options: { body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<HttpResponse> {
    const { entry, operation } = write;
    // Sometimes the client itself aborts the request.
    const abortAfter = this.random.chance(0.02) ? this.random.integer(1, 30) : undefined;
    const response = await this.client.request(method, path, { ...options, abortAfter });
    const { status } = response;
    write.outcome = outcomeOf(status);
    this.statistics.countOperation(operation, write.outcome, status);
    this.model.history.end(entry, status > 0 ? String(status) : 'no response');
    if (status > 0 && status < 500 && !expected.includes(status)) {
      const message = `${method} ${path} responded ${status}: ${JSON.stringify(response.body)}`;
      const record = this.model.records.find(({ id }) => id === entry.record);
      if (record) this.model.fail('response', message, record);
      this.developer.feed.fail('response', message, {});
    }
    return response;
  }

  /** Unique content, which identifies its write. A patch sets only some of the fields. */
  private content({ sent }: Entry, isWhole: boolean): Partial<Content> {
    const { random } = this;
    const data = { write: sent, text: 'x'.repeat(random.integer(0, 200)) };
    const metadata = { write: sent };
    const status = random.pick(STATUSES);
    if (isWhole) return { data, metadata, status };
    const content = random.chance(0.7) ? { data } : { metadata };
    return random.chance(0.3) ? { ...content, status } : content;
  }

  /** Notes an acknowledged write: its change must be in the feed from now on. */
  private acknowledge(record: KnownRecord, write: Write, { body }: HttpResponse): void {
    write.tick = normalizeDatetime(body.updatedAt);
    write.responseContent = contentOf(body);
    Object.assign(write.entry, { datetime: write.tick, text: `${write.entry.text}, tick ${write.tick}` });
    const action = write.operation === 'create' ? 'created' : 'updated';
    this.developer.feed.add({ datetime: write.tick, itemType: record.itemType, action }, 'its writer');
  }

  private verifyContent(record: KnownRecord, body: Record<string, unknown>, content: Partial<Content>): void {
    for (const [field, value] of Object.entries(content)) {
      if (!isDeepStrictEqual(body[field], value))
        this.model.fail('content', `its ${field} in the response is ${JSON.stringify(body[field])}`, record);
    }
  }

  private verifyExistence(record: KnownRecord, { status }: HttpResponse): void {
    if (status === 404 && !record.mayBeDeleted)
      this.model.fail('lost', 'responds 404, but no client has deleted it', record);
  }
}

const versionOf = ({ headers, body }: HttpResponse) => ({
  updatedAt: normalizeDatetime(body.updatedAt),
  etag: headers.get('etag') ?? '',
});

function outcomeOf(status: number): Outcome {
  if (status >= 200 && status < 300) return 'acknowledged';
  return status === -1 || REJECTIONS.includes(status) ? 'rejected' : 'unknown';
}
