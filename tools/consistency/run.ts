import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from './client.js';
import { Cluster, type ClusterOptions } from './cluster.js';
import { Faults } from './faults.js';
import { Feed } from './feed.js';
import { Follower } from './follower.js';
import { STYLES } from './follower-styles.js';
import { History, Violation } from './history.js';
import { type Developer, Model } from './model.js';
import { Random } from '../random.js';
import { Statistics } from './statistics.js';
import { NotConverged } from './server-state.js';
import { Verification } from './verification.js';
import { Writer } from './writer.js';

export interface RunOptions extends ClusterOptions {
  seed: number;
  /** Duration of writes and faults, in s. */
  duration: number;
  /** URL of a running server; undefined: the checker starts a cluster. */
  url?: string;
  developers: number;
  /** Writers per developer. */
  writers: number;
  /** Names of faults; undefined: all that are possible. */
  faults?: string[];
  /** Ends the run early. */
  signal: AbortSignal;
}

export interface Report {
  violation?: Violation;
  history: History;
  statistics: Statistics;
  skipped: Record<string, string>;
}

/** In ms. Another process takes over a job of a dead process after at most 40 s (docs/operations.md). */
const CONVERGENCE_TIMEOUT_MS = 120_000;

/** Runs writers, followers and faults concurrently; then compares all copies with the server's state. */
export async function run(options: RunOptions): Promise<Report> {
  const cluster = options.url === undefined ? await Cluster.start(options) : undefined;
  try {
    const check = new ConsistencyCheck(options, cluster);
    await check.createDevelopers();
    const violation = await check.run();
    const { history, statistics, skipped } = check;
    return { violation, history, statistics, skipped };
  } finally {
    await cluster?.destroy();
  }
}

class ConsistencyCheck {
  readonly history = new History();
  readonly statistics = new Statistics();
  private readonly random: Random;
  private readonly faults?: Faults;
  private readonly developers: Developer[] = [];
  private readonly model: Model;
  private readonly writers: Writer[] = [];
  private readonly followers: Follower[] = [];
  private readonly readers = new Map<Developer, Client>();
  /** When writers and faults end, in ms since 1970. */
  private end = 0;
  private isStopped = false;

  constructor(
    private readonly options: RunOptions,
    private readonly cluster: Cluster | undefined,
  ) {
    const { seed, isReplicated, faults } = options;
    this.random = new Random(seed);
    this.model = new Model(this.developers, this.history, isReplicated);
    if (cluster)
      this.faults = new Faults(cluster, this.random.fork('faults'), this.history, this.statistics, faults);
  }

  get skipped(): Record<string, string> {
    return this.faults?.skipped ?? { 'all faults': 'the server was not started by the checker' };
  }

  async createDevelopers(): Promise<void> {
    const { options, random, model, statistics } = this;
    // Unique names per run, so that one server can be checked many times.
    const name = randomBytes(4).toString('hex');
    for (let n = 1; n <= options.developers; n++) {
      const developerId = `check-${name}-${n}`;
      const key = await this.createKey(developerId);
      const clientOf = (actor: string) => this.clientOf(key, `${actor} ${n}`);
      const reader = clientOf('reader');
      const { body } = await reader.get('/api/v1/collections.json');
      // The only collection of a developer has the developer's integer as its id.
      const developer = { developerId, feed: new Feed(developerId, body.collections[0].id) };
      this.developers.push(developer);
      this.readers.set(developer, reader);
      for (const style of Object.keys(STYLES)) {
        const choices = random.fork(`${style} ${n}`);
        this.followers.push(new Follower(style, developer.feed, clientOf(style), model, choices, statistics));
      }
      for (let w = 1; w <= options.writers; w++) {
        const actor = `writer ${n}.${w}`;
        this.writers.push(
          new Writer(actor, developer, clientOf(actor), model, random.fork(actor), statistics),
        );
      }
    }
  }

  /** Returns the first violation, which ends the run. */
  async run(): Promise<Violation | undefined> {
    this.end = Date.now() + this.options.duration * 1_000;
    const isDone = () => this.isStopped || Date.now() >= this.end;
    const injecting = this.inject(isDone);
    try {
      await this.interruptible(this.work(isDone, injecting));
      return undefined;
    } catch (error) {
      if (error instanceof Violation) return error;
      throw error;
    } finally {
      this.isStopped = true;
      this.history.close();
      // Wait: a fault restarts the processes that it has killed, and these must not be left behind.
      await injecting.catch(() => {});
    }
  }

  private async inject(isDone: () => boolean): Promise<void> {
    if (this.options.isMoving) {
      const third = (this.options.duration * 1_000) / 3;
      // Writers go on afterwards, however long the move takes.
      this.end = Infinity;
      await this.faults?.move(third);
      this.end = Date.now() + 2 * third;
    }
    // The other faults are those of a PostgreSQL server.
    await this.faults?.run(isDone);
  }

  private async work(isDone: () => boolean, injecting: Promise<void>): Promise<void> {
    let isQuiescent = false;
    const following = Promise.all(
      this.followers.map((follower) => this.follow(follower, () => isQuiescent || this.isStopped)),
    );
    const writing = Promise.all(this.writers.map((writer) => this.write(writer, isDone)));
    // Rejects with the first failure; followers resolve only once `isQuiescent`.
    await Promise.race([Promise.all([writing, injecting]), following]);
    isQuiescent = true;
    await following;
    await this.waitForConvergence();
    const { internalErrors } = this.statistics;
    if (internalErrors > 0) throw new Violation('response', `${internalErrors} requests responded 500`, {});
  }

  private async write(writer: Writer, isDone: () => boolean): Promise<void> {
    const random = this.random.fork(`pace of ${writer.name}`);
    while (!isDone()) {
      await writer.step();
      await sleep(random.integer(0, 5));
    }
  }

  private async follow(follower: Follower, isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      await follower.poll();
      await sleep(follower.pause());
    }
  }

  /** Waits until every copy is exact. @throws Violation after a timeout */
  private async waitForConvergence(): Promise<void> {
    const start = Date.now();
    const deadline = start + CONVERGENCE_TIMEOUT_MS;
    this.statistics.convergence = { seconds: 0, last: '' };
    for (;;) {
      // Each at its own pace: a page of one must not wait for the stream of another.
      await Promise.all(
        this.followers.map(async (follower) => {
          do await follower.poll();
          while (!follower.isCaughtUp && Date.now() <= deadline);
        }),
      );
      const late = this.followers.find((follower) => !follower.isCaughtUp);
      try {
        if (!late) return await new Verification(this.model, this.followers, this.readers).run();
      } catch (error) {
        const isTooEarly =
          error instanceof NotConverged || (error instanceof Violation && error.kind === 'undelivered');
        if (!isTooEarly || Date.now() > deadline) throw error;
        this.statistics.convergence = { seconds: (Date.now() - start) / 1_000, last: error.message };
      }
      if (late && Date.now() > deadline) {
        const { name, feed } = late;
        feed.fail('lost', `${name} does not catch up`, { follower: name });
      }
      await sleep(200);
    }
  }

  private async createKey(developerId: string): Promise<string> {
    const admin = this.clientOf(this.options.adminKey, 'admin');
    const scopes = ['sync:read', 'sync:write'];
    const { status, body } = await admin.request('POST', '/api/v1/api-keys', {
      body: { developerId, scopes },
    });
    if (status !== 201)
      throw new Error(`the API key could not be created: ${status} ${JSON.stringify(body)}`);
    return body.key;
  }

  private clientOf(key: string, actor: string): Client {
    const servers = this.cluster?.servers.map(({ url }) => url) ?? [this.options.url!];
    return new Client(servers, key, this.random.fork(`servers of ${actor}`));
  }

  private async interruptible<T>(work: Promise<T>): Promise<T> {
    const { signal } = this.options;
    return Promise.race([
      work,
      new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      }),
    ]);
  }
}
