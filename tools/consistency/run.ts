import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from './client.js';
import { Cluster, type ClusterOptions } from './cluster.js';
import { Faults } from './faults.js';
import { Feed } from './feed.js';
import { Follower, STYLES } from './follower.js';
import { History, Violation } from './history.js';
import { type Developer, Model } from './model.js';
import { Random } from './random.js';
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
  writers: number;
  faults?: string[];
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
  const { url, seed, adminKey } = options;
  const random = new Random(seed);
  const statistics = new Statistics();
  const history = new History();
  const cluster = url === undefined ? await Cluster.start(options) : undefined;
  try {
    const servers = cluster?.servers.map((server) => server.url) ?? [url!];
    const clientOf = (key: string, actor: string) => new Client(servers, key, random.of(`${actor} servers`));
    const keys = new Map<Developer, string>();
    for (let n = 1; n <= options.developers; n++) {
      // A name of its own for each run, so that a server can be checked many times.
      const id = `check-${n}-${randomBytes(4).toString('hex')}`;
      const [developer, key] = await createDeveloper(clientOf(adminKey, 'admin'), id, (secret) =>
        clientOf(secret, id),
      );
      keys.set(developer, key);
    }
    const developers = [...keys.keys()];
    const model = new Model(developers, history, options.isReplicated);
    const followers: Follower[] = [];
    const writers: Writer[] = [];
    for (const [n, [developer, key]] of [...keys].entries()) {
      for (const style of Object.keys(STYLES)) {
        const actor = `${style} ${n}`;
        followers.push(
          new Follower(style, developer.feed, clientOf(key, actor), model, random.of(actor), statistics),
        );
      }
      for (let w = 1; w <= options.writers; w++) {
        const actor = `writer ${n + 1}.${w}`;
        writers.push(new Writer(actor, developer, clientOf(key, actor), model, random.of(actor), statistics));
      }
    }
    const faults = cluster && new Faults(cluster, random.of('faults'), history, statistics, options.faults);
    const skipped = faults?.skipped ?? { 'all faults': 'the server is not ours' };
    const clients = new Map(
      [...keys].map(([developer, key]) => [developer, clientOf(key, `reader ${developer.id}`)]),
    );
    const verification = () => new Verification(model, followers, clients).run();
    const violation = await check(
      options.duration,
      writers,
      followers,
      faults,
      random,
      verification,
      statistics,
    );
    return { violation, history, statistics, skipped };
  } finally {
    await cluster?.destroy();
  }
}

async function createDeveloper(
  admin: Client,
  id: string,
  clientOf: (key: string) => Client,
): Promise<[Developer, string]> {
  const scopes = ['sync:read', 'sync:write'];
  const created = await admin.request('POST', '/api/v1/api-keys', { body: { developerId: id, scopes } });
  if (created.status !== 201)
    throw new Error(`no API key could be made: ${created.status} ${JSON.stringify(created.body)}`);
  const { key } = created.body;
  const collections = await clientOf(key).get('/api/v1/collections.json');
  return [{ id, feed: new Feed(id, collections.body.collections[0].id) }, key];
}

async function check(
  duration: number,
  writers: Writer[],
  followers: Follower[],
  faults: Faults | undefined,
  random: Random,
  verify: () => Promise<void>,
  statistics: Statistics,
): Promise<Violation | undefined> {
  const end = Date.now() + duration * 1_000;
  let isStopped = false;
  const isOver = () => isStopped || Date.now() >= end;
  try {
    const work = writers.map((writer) => write(writer, random.of(`pace of ${writer.name}`), isOver));
    if (faults) work.push(faults.run(isOver));
    let isQuiet = false;
    const following = followers.map((follower) =>
      follow(follower, random.of(`pace of ${follower.name}`), () => isQuiet || isStopped),
    );
    await Promise.race([
      Promise.all(work),
      ...following.map((f) => f.then(() => new Promise<never>(() => {}))),
    ]);
    isQuiet = true;
    await Promise.all(following);
    await settle(followers, verify);
    if (statistics.internalErrors > 0)
      throw new Violation('answer', `the server answered ${statistics.internalErrors} requests with 500`, {});
    return undefined;
  } catch (error) {
    if (error instanceof Violation) return error;
    throw error;
  } finally {
    isStopped = true;
  }
}

async function write(writer: Writer, random: Random, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await writer.step();
    await sleep(random.integer(0, 5));
  }
}

/** A client that polls as often as it likes. */
async function follow(follower: Follower, random: Random, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await follower.poll();
    await sleep(random.integer(0, follower.isIdle ? 100 : 20));
  }
}

/** Waits until every copy is what it should be. What takes too long is a violation. */
async function settle(followers: Follower[], verify: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + SETTLING;
  for (;;) {
    await Promise.all(followers.map((follower) => follower.poll()));
    const late = followers.find(
      ({ isIdle, isFetched, style }) => !isIdle || (style.isFetching && !isFetched),
    );
    try {
      if (!late) return await verify();
    } catch (error) {
      const isLater =
        error instanceof Unsettled || (error instanceof Violation && error.kind === 'undelivered');
      if (!isLater || Date.now() > deadline) throw error;
    }
    if (late && Date.now() > deadline)
      throw new Violation('lost', `${late.name} does not get to the end of its feed`, {
        follower: late.name,
        developer: late.feed.developer,
      });
    await sleep(50);
  }
}
