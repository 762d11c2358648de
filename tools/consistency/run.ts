import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from './client.js';
import { Cluster, type ClusterOptions } from './cluster.js';
import { Faults } from './faults.js';
import { Feed } from './feed.js';
import { Follower, STYLES } from './follower.js';
import { History, Violation } from './history.js';
import { type Developer, Model } from './model.js';
import { Random } from '../random.js';
import { Statistics } from './statistics.js';
import { Unsettled, Verification } from './verification.js';
import { Writer } from './writer.js';

export interface RunOptions extends ClusterOptions {
  seed: number;
  /** Of writers and faults, in s. */
  duration: number;
  /** A server that runs already; undefined: a cluster is started. */
  url?: string;
  developers: number;
  /** For each developer. */
  writers: number;
  /** Names; undefined: all that are possible. */
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

/** In ms. A job whose process died is taken over after 40 s at most (docs/operations.md), and may wait for more. */
const SETTLING = 120_000;

/** Runs writers, followers and faults side by side, and compares what they have in the end. */
export async function run(options: RunOptions): Promise<Report> {
  const cluster = options.url === undefined ? await Cluster.start(options) : undefined;
  try {
    const check = new Check(options, cluster);
    await check.createDevelopers();
    const violation = await check.run();
    const { history, statistics, skipped } = check;
    return { violation, history, statistics, skipped };
  } finally {
    await cluster?.destroy();
  }
}

class Check {
  readonly history = new History();
  readonly statistics = new Statistics();
  private readonly random: Random;
  private readonly faults?: Faults;
  private readonly developers: Developer[] = [];
  private readonly model: Model;
  private readonly writers: Writer[] = [];
  private readonly followers: Follower[] = [];
  private readonly readers = new Map<Developer, Client>();
  private isStopped = false;

  constructor(
    private readonly options: RunOptions,
    private readonly cluster: Cluster | undefined,
  ) {
    const { seed, isReplicated, faults } = options;
    this.random = new Random(seed);
    this.model = new Model(this.developers, this.history, isReplicated);
    if (cluster)
      this.faults = new Faults(cluster, this.random.of('faults'), this.history, this.statistics, faults);
  }

  get skipped(): Record<string, string> {
    return this.faults?.skipped ?? { 'all faults': 'the server is not ours' };
  }

  async createDevelopers(): Promise<void> {
    const { options, random, model, statistics } = this;
    // A name of its own for each run, so that a server can be checked many times.
    const name = randomBytes(4).toString('hex');
    for (let n = 1; n <= options.developers; n++) {
      const id = `check-${name}-${n}`;
      const key = await this.createKey(id);
      const clientOf = (actor: string) => this.clientOf(key, `${actor} ${n}`);
      const reader = clientOf('reader');
      const { body } = await reader.get('/api/v1/collections.json');
      const developer = { id, feed: new Feed(id, body.collections[0].id) };
      this.developers.push(developer);
      this.readers.set(developer, reader);
      for (const style of Object.keys(STYLES)) {
        const choices = random.of(`${style} ${n}`);
        this.followers.push(new Follower(style, developer.feed, clientOf(style), model, choices, statistics));
      }
      for (let w = 1; w <= options.writers; w++) {
        const actor = `writer ${n}.${w}`;
        this.writers.push(new Writer(actor, developer, clientOf(actor), model, random.of(actor), statistics));
      }
    }
  }

  /** Returns the violation that ended it. */
  async run(): Promise<Violation | undefined> {
    const end = Date.now() + this.options.duration * 1_000;
    const isOver = () => this.isStopped || Date.now() >= end;
    const injecting = this.faults?.run(isOver) ?? Promise.resolve();
    try {
      await this.interruptible(this.work(isOver, injecting));
      return undefined;
    } catch (error) {
      if (error instanceof Violation) return error;
      throw error;
    } finally {
      this.isStopped = true;
      this.history.close();
      // What a fault has ended it also starts again, and that must not be left behind.
      await injecting.catch(() => {});
    }
  }

  private async work(isOver: () => boolean, injecting: Promise<void>): Promise<void> {
    let isQuiet = false;
    const following = Promise.all(
      this.followers.map((follower) => this.follow(follower, () => isQuiet || this.isStopped)),
    );
    const writing = Promise.all(this.writers.map((writer) => this.write(writer, isOver)));
    // Whichever fails first; followers end only when they are told to.
    await Promise.race([Promise.all([writing, injecting]), following]);
    isQuiet = true;
    await following;
    await this.settle();
    const { internalErrors } = this.statistics;
    if (internalErrors > 0)
      throw new Violation('answer', `the server answered ${internalErrors} requests with 500`, {});
  }

  private async write(writer: Writer, isOver: () => boolean): Promise<void> {
    const random = this.random.of(`pace of ${writer.name}`);
    while (!isOver()) {
      await writer.step();
      await sleep(random.integer(0, 5));
    }
  }

  /** A client that polls as often as it likes. */
  private async follow(follower: Follower, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await follower.poll();
      await sleep(follower.pause());
    }
  }

  /** Waits until every copy is what it should be. What takes too long is a violation. */
  private async settle(): Promise<void> {
    const start = Date.now();
    const deadline = start + SETTLING;
    this.statistics.settling = { seconds: 0, last: '' };
    for (;;) {
      await Promise.all(this.followers.map((follower) => follower.poll()));
      const late = this.followers.find((follower) => !follower.isCaughtUp);
      try {
        if (!late) return await new Verification(this.model, this.followers, this.readers).run();
      } catch (error) {
        const isTooEarly =
          error instanceof Unsettled || (error instanceof Violation && error.kind === 'undelivered');
        if (!isTooEarly || Date.now() > deadline) throw error;
        this.statistics.settling = { seconds: (Date.now() - start) / 1_000, last: error.message };
      }
      if (late && Date.now() > deadline) {
        const { name, feed } = late;
        feed.fail('lost', `${name} does not get to its end`, { follower: name });
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
    if (status !== 201) throw new Error(`no API key could be made: ${status} ${JSON.stringify(body)}`);
    return body.key;
  }

  private clientOf(key: string, actor: string): Client {
    const servers = this.cluster?.servers.map(({ url }) => url) ?? [this.options.url!];
    return new Client(servers, key, this.random.of(`servers of ${actor}`));
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
