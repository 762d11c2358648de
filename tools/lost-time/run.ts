import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type HttpResponse } from '../consistency/client.js';
import { Random } from '../random.js';
import { Broken, CopyKeeper, type Style } from './copy.js';
import { LOST_TIME_FAULTS, Site, type SiteOptions } from './site.js';

const RECORDS = '/api/v1/sync/records';
const SCOPES = ['sync:read', 'sync:write'];

const STYLES: Record<string, Style> = {
  plain: {},
  paged: { isPaged: true },
  compact: { isCompact: true },
  'compact, paged': { isCompact: true, isPaged: true },
  slow: { isSlow: true },
  notified: { isNotified: true },
};

/** ms until every copy must be exact, once writes and faults have ended. */
const CONVERGENCE = 30_000;

export interface LostTimeOptions extends SiteOptions {
  seed: number;
  /** In s. */
  duration: number;
  developers: number;
  /** Names of LOST_TIME_FAULTS. Default: all. */
  faults?: readonly string[];
  signal: AbortSignal;
}

interface Developer {
  developerId: string;
  userId: number;
  key: string;
}

/**
 * Writers, followers and faults that take the database back in time. Acknowledged writes may be lost with it.
 * In the end every copy must be exact, no record may be in the library of another developer, and no request
 * may have got a 500.
 */
export async function runLostTime(options: LostTimeOptions): Promise<Record<string, number>> {
  const site = await Site.start(options);
  const check = new LostTimeCheck(site, options);
  try {
    return await check.run();
  } finally {
    await check.close();
    await site.destroy();
  }
}

class LostTimeCheck {
  private readonly random: Random;
  private readonly developers: Developer[] = [];
  private readonly keepers: CopyKeeper[] = [];
  private readonly counts: Record<string, number> = {
    writes: 0,
    refused: 0,
    resyncs: 0,
    digests: 0,
    notified: 0,
  };
  private readonly receiver: Server = createServer();
  /** `user_id` of each notification that no follower has acted on yet. */
  private readonly notified = new Set<number>();
  /** Developers that the admin has named so far. */
  private newDevelopers = 0;
  private isWriting = true;
  private isDone = false;

  constructor(
    private readonly site: Site,
    private readonly options: LostTimeOptions,
  ) {
    this.random = new Random(options.seed);
  }

  async run(): Promise<Record<string, number>> {
    await this.createDevelopers();
    const { signal, duration } = this.options;
    const end = Date.now() + duration * 1_000;
    const writing = [
      ...this.developers.flatMap((developer) => [1, 2].map((n) => this.write(developer, `writer ${n}`))),
      this.writeAsAdmin(),
    ];
    const working = [...writing, ...this.keepers.map((keeper) => this.follow(keeper))];
    const faults = this.random.fork('faults');
    const injecting = (async () => {
      while (Date.now() < end && !signal.aborted) await this.injectAll(faults, end);
      this.isWriting = false;
      await Promise.all(writing);
      await this.assertWritable();
      await this.loseTheEnd();
    })();
    await Promise.race([injecting, Promise.all(working)]);
    this.isDone = true;
    await Promise.all(working);
    await this.converge();
    for (const { resyncs, digests } of this.keepers) {
      this.counts.resyncs += resyncs;
      this.counts.digests += digests;
    }
    return this.counts;
  }

  async close(): Promise<void> {
    this.isWriting = false;
    this.isDone = true;
    this.receiver.close();
    this.receiver.closeAllConnections();
  }

  private async createDevelopers(): Promise<void> {
    const admin = this.client(this.options.adminKey, 'admin');
    const post = async (path: string, body: object) => {
      const response = await admin.request('POST', path, { body });
      if (response.status !== 201) throw new Error(`${path} responded ${response.status}`);
      return response.body;
    };
    this.receiver.on('request', (request, response) => {
      let text = '';
      request.on('data', (data) => (text += data));
      request.on('end', () => {
        this.counts.notified++;
        this.notified.add(JSON.parse(text).range.user_id);
        response.writeHead(204).end();
      });
    });
    await once(this.receiver.listen(0, '127.0.0.1'), 'listening');
    const url = `http://127.0.0.1:${(this.receiver.address() as AddressInfo).port}/hook`;
    const { id: clientId } = await post('/api/v1/api-clients', {
      developerId: 'owner',
      name: 'follower',
      scopes: SCOPES,
    });
    await post('/api/v1/webhooks', { clientId, url });
    for (let n = 1; n <= this.options.developers; n++) {
      const developerId = `dev-${n}`;
      const { key } = await post('/api/v1/api-keys', { developerId, scopes: SCOPES });
      const { key: clientKey } = await post('/api/v1/api-keys', { developerId, scopes: SCOPES, clientId });
      const { body } = await this.client(key, developerId).get('/api/v1/users/current.json');
      const developer = { developerId, userId: body.user.id, key };
      this.developers.push(developer);
      for (const [style, options] of Object.entries(STYLES)) {
        const name = `${developerId} ${style}`;
        const client = this.client(options.isNotified ? clientKey : key, name);
        this.keepers.push(
          new CopyKeeper(
            name,
            developerId,
            options,
            () => client,
            this.random.fork(name),
            () => developer.userId,
          ),
        );
      }
    }
  }

  private async injectAll(random: Random, end: number): Promise<void> {
    const { faults } = this.options;
    const injected = Object.entries(LOST_TIME_FAULTS).filter(([name]) => faults?.includes(name) ?? true);
    if (injected.length === 0) return this.pause(end - Date.now());
    for (const [name, fault] of random.shuffled(injected)) {
      if (Date.now() >= end) return;
      await sleep(random.integer(200, 1_500));
      await fault(this.site, random);
      this.counts[name] = (this.counts[name] ?? 0) + 1;
      await this.serves();
    }
  }

  /** A 503 is for a moment: each process serves a write for each developer, those of lost times included. */
  private async assertWritable(): Promise<void> {
    const deadline = Date.now() + CONVERGENCE;
    for (const { url } of this.site.servers) {
      const client = new Client([url], this.options.adminKey, this.random.fork(`writes to ${url}`));
      for (let n = Math.max(1, this.newDevelopers - 200); n <= this.newDevelopers; n++) {
        const developerId = `new-${n}`;
        const resourceKey = `key-${url}`;
        for (;;) {
          const { status, body: record } = await this.create(client, developerId, resourceKey);
          if (status === 201) this.assertOwner(record, developerId);
          // 409: the answer to an earlier attempt was lost.
          if (status === 201 || status === 409) break;
          if (Date.now() > deadline)
            throw new Broken(`writes for ${developerId} at ${url} get ${status} for good`);
          await sleep(100);
        }
      }
    }
  }

  /**
   * The last write of each developer is lost, and no later one tells the followers. Those by webhook have got
   * everything before: only the announcement of the new history wakes them.
   */
  private async loseTheEnd(): Promise<void> {
    const { site } = this;
    await this.untilNotified();
    const standby = await site.database.startStandby();
    await standby.stop();
    for (const { developerId, key } of this.developers) {
      await this.create(this.client(key, `${developerId} end`), developerId, 'the end');
    }
    await this.untilNotified();
    await site.replaceBy(standby, () => standby.takeOver(site.database));
    await this.serves();
  }

  /** Waits until the followers by webhook have synced, and no notification has come for a while. */
  private async untilNotified(): Promise<void> {
    for (let quiet = 0, last = -1; quiet < 2_000 && !this.isDone; quiet += 100) {
      if (this.counts.notified !== last || this.notified.size > 0) quiet = 0;
      last = this.counts.notified;
      await sleep(100);
    }
  }

  /** Every process serves again, without help. */
  private async serves(): Promise<void> {
    for (const { url } of this.site.servers)
      while (!(await fetch(`${url}/health/ready`).catch(() => undefined))?.ok) await sleep(50);
  }

  private async write({ developerId, key }: Developer, actor: string): Promise<void> {
    const name = `${developerId} ${actor}`;
    const [client, random] = [this.client(key, name), this.random.fork(name)];
    let ids: string[] = [];
    while (this.isWriting) {
      const id = ids.length > 0 ? random.pick(ids) : undefined;
      const action = id ? random.weighted({ create: 3, patch: 6, delete: 1, share: 1, pin: 1 }) : 'create';
      const data = { owner: developerId, n: random.integer(0, 1e9) };
      if (action === 'create' && ids.length < 60) {
        const resourceKey = `key-${random.integer(1, 1e9)}`;
        const created = await this.create(client, developerId, resourceKey, data);
        if (created.status === 201) {
          this.assertOwner(created.body, developerId);
          ids.push(created.body.id);
        }
      } else if (action === 'patch') {
        const patched = await this.send(client, 'PATCH', `${RECORDS}/${id}`, { data });
        if (patched.status === 200) this.assertOwner(patched.body, developerId);
        if (patched.status === 404) ids = ids.filter((other) => other !== id);
      } else if (action === 'delete') {
        await this.send(client, 'DELETE', `${RECORDS}/${id}`);
        ids = ids.filter((other) => other !== id);
      } else if (action === 'share') {
        const other = random.pick(this.developers);
        const path = `${RECORDS}/${id}/shares/${other.developerId}`;
        if (other.developerId === developerId) continue;
        await this.send(client, 'PUT', path);
        await this.send(this.client(other.key, `${name} pin`), 'PUT', `${RECORDS}/${id}/pin`);
      } else await this.send(client, random.chance(0.5) ? 'PUT' : 'DELETE', `${RECORDS}/${id}/pin`);
      await sleep(random.integer(5, 40));
    }
  }

  /** Writes for new developers: their ids are lost, and not handed out again. */
  private async writeAsAdmin(): Promise<void> {
    const random = this.random.fork('admin');
    const client = this.client(this.options.adminKey, 'admin');
    while (this.isWriting) {
      if (this.newDevelopers === 0 || random.chance(0.5)) this.newDevelopers++;
      const developerId = `new-${random.integer(Math.max(1, this.newDevelopers - 8), this.newDevelopers)}`;
      const resourceKey = `key-${random.integer(1, 1e9)}`;
      const { status, body: record } = await this.create(client, developerId, resourceKey);
      if (status === 201) this.assertOwner(record, developerId);
      await sleep(random.integer(20, 120));
    }
  }

  private create(client: Client, developerId: string, resourceKey: string, data = { owner: developerId }) {
    return this.send(client, 'POST', RECORDS, { developerId, resourceType: 'ROUTE', resourceKey, data });
  }

  private async send(client: Client, method: string, path: string, body?: object): Promise<HttpResponse> {
    const response = await client.request(method, path, { body });
    const { status } = response;
    this.counts.writes++;
    if (status >= 400) this.counts.refused++;
    if (status === 500) throw new Broken(`${method} ${path} responded 500`);
    if (status === 503 && !response.headers.get('retry-after'))
      throw new Broken(`${method} ${path} responded 503 without Retry-After`);
    return response;
  }

  private async follow(keeper: CopyKeeper): Promise<void> {
    const random = this.random.fork(`pace of ${keeper.name}`);
    const { userId } = this.developers.find(({ developerId }) => developerId === keeper.developerId)!;
    while (!this.isDone) {
      if (keeper.style.isNotified && !keeper.isBehind && !this.notified.delete(userId)) {
        await sleep(20);
        continue;
      }
      if ((await keeper.poll()) === 500) throw new Broken(`${keeper.name} got 500`);
      await sleep(random.integer(20, 300));
      if (keeper.style.isSlow) await this.pause(random.integer(1_000, 15_000));
    }
  }

  private async pause(duration: number): Promise<void> {
    for (let slept = 0; slept < duration && !this.isDone; slept += 100) await sleep(100);
  }

  /** Waits until every copy is exact. */
  private async converge(): Promise<void> {
    const deadline = Date.now() + CONVERGENCE;
    const admin = this.client(this.options.adminKey, 'verifier');
    for (;;) {
      const differences: string[] = [];
      for (const keeper of this.keepers) {
        const { userId } = this.developers.find(({ developerId }) => developerId === keeper.developerId)!;
        // A follower by webhook polls only after a webhook, and until it has caught up.
        if (!keeper.style.isNotified || this.notified.delete(userId)) keeper.isBehind = true;
        while (keeper.isBehind) {
          await keeper.poll();
          if (keeper.isBehind && Date.now() > deadline) throw new Broken(`${keeper.name} never catches up`);
          if (keeper.isBehind) await sleep(10);
        }
        const difference = await this.differenceOf(admin, keeper);
        if (difference !== undefined) differences.push(`${keeper.name}: ${difference}`);
      }
      if (differences.length === 0) return this.verifyLibraries(admin);
      if (Date.now() > deadline) throw new Broken(`copies are not exact:\n${differences.join('\n')}`);
      await sleep(300);
    }
  }

  /** @returns undefined if the copy is exact */
  private async differenceOf(
    admin: Client,
    { developerId, own, pinned }: CopyKeeper,
  ): Promise<string | undefined> {
    const ticks = [...own].sort(([a], [b]) => a - b).map(([, datetime]) => datetime);
    const records = await this.list(admin, `${RECORDS}?developerId=${developerId}`, 'data');
    const truth = records.map(({ updatedAt }) => updatedAt);
    if (ticks.join() !== truth.join()) return `${ticks.length} own items, ${truth.length} records`;
    const { userId } = this.developers.find((developer) => developer.developerId === developerId)!;
    const pins = await this.list(admin, `/api/v1/collections/${userId}.json?`, 'items');
    const ids = pins.map((page) => (Object.values(page)[0] as { id: number }).id).sort((a, b) => a - b);
    const copied = [...pinned.keys()].sort((a, b) => a - b);
    return copied.join() === ids.join() ? undefined : `pins ${copied.join()}, but ${ids.join()}`;
  }

  private async verifyLibraries(admin: Client): Promise<void> {
    const created = Array.from({ length: this.newDevelopers }, (_, n) => `new-${n + 1}`);
    for (const developerId of [...this.developers.map((developer) => developer.developerId), ...created]) {
      const link = `${RECORDS}?developerId=${developerId}`;
      // The creation of the developer itself may be lost.
      if ((await admin.get(link)).status === 404) continue;
      for (const record of await this.list(admin, link, 'data')) this.assertOwner(record, developerId);
    }
  }

  private assertOwner(
    record: { developerId: string; data: { owner: string }; id: string },
    developerId: string,
  ) {
    if (record.developerId !== developerId || record.data.owner !== developerId)
      throw new Broken(
        `record ${record.id} of ${record.data.owner} is in the library of ${record.developerId}, not of ${developerId}`,
      );
  }

  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- checked by its readers
  private async list(client: Client, link: string, field: string): Promise<any[]> {
    const values: object[] = [];
    for (let page = 1; ; page++) {
      const { status, body } = await client.get(`${link}&limit=100&page=${page}`);
      if (status !== 200) throw new Broken(`${link} responded ${status}`);
      values.push(...body[field]);
      if (values.length >= body.total) return values;
    }
  }

  private client(key: string, actor: string): Client {
    return new Client(
      this.site.servers.map(({ url }) => url),
      key,
      this.random.fork(`servers of ${actor}`),
    );
  }
}
