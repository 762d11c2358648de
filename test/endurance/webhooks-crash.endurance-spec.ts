import { afterEach, describe, expect, it } from '@jest/globals';
import { memoryOf } from '../../tools/process-table.js';
import { type Api, RECORDS } from '../support/api.js';
import { createDatabase, isServer, runSql, type TestDatabase } from '../support/database.js';
import { seededRandom } from '../support/random.js';
import { acknowledge, joined, Receiver } from '../support/receiver.js';
import { ServerProcess } from '../support/server.js';
import { expectExactCopy, SyncClient } from '../support/sync-client.js';
import { until } from '../support/until.js';
import { type Application, createApplication } from '../support/webhooks.js';

const random = seededRandom();
const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)];

const servers: ServerProcess[] = [];
let database: TestDatabase;
let receiver: Receiver;

/** Every process names items in the same way, wherever it listens. */
const env = () => ({
  ...database.env,
  WEBHOOK_ALLOW_PRIVATE: 'true',
  PUBLIC_URL: 'http://sync.example',
});

/** A server whose leases end after 5 s. */
async function startServer(): Promise<ServerProcess> {
  const server = await ServerProcess.spawn(env(), [process.execPath, 'test/support/short-lease.mjs']);
  await server.ready();
  return server;
}

async function start(embedded: boolean, processes: number): Promise<Application> {
  database = await createDatabase({ embedded });
  receiver = await Receiver.start();
  for (let n = 0; n < processes; n++) servers.push(await startServer());
  return createApplication(servers[0].admin, receiver);
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop('SIGKILL')));
  await receiver.close();
  await database.drop();
});

/** Kills a process in the middle of whatever it does, and starts one in its place. */
async function killOne(): Promise<void> {
  const index = Math.floor(random() * servers.length);
  await servers[index].stop('SIGKILL');
  servers[index] = await startServer();
}

const idOf = async (api: Api) => {
  const [item] = (await api.sync('since=1970-01-01&limit=1')).body.items;
  return item.item_user_id as number;
};

const deployments: [string, boolean, number][] = [['an embedded server that dies', true, 1]];
if (isServer) deployments.push(['two servers on one database, one of which dies', false, 2]);

describe.each(deployments)('webhooks of %s', (_name, embedded, processes) => {
  // A dead process keeps its positions for 5 s, and each round waits for that.
  it('tell every change at least once, in order, one range under one id: syncing on reception alone ends exact', async () => {
    const application = await start(embedded, processes);
    const developers = await Promise.all(
      ['dev-1', 'dev-2', 'dev-3'].map(async (id) => {
        const api = await application.connect(id);
        return { id, api, client: new SyncClient(api) };
      }),
    );
    const anywhere = (api: Api) => api.at(pick(servers).url);

    const clients = new Map<number, { client: SyncClient; api: Api }>();
    const open = new Map<number, number>();
    let mostOpen = 0;
    receiver.behave = async (request, response) => {
      const user = request.range!.user_id;
      open.set(user, (open.get(user) ?? 0) + 1);
      mostOpen = Math.max(mostOpen, open.get(user)!);
      response.on('close', () => open.set(user, open.get(user)! - 1));
      try {
        const { client, api } = clients.get(user)!;
        client.moveTo(anywhere(api));
        // One answer has all up to now. Asking until nothing is new would not end while others write.
        await client.poll();
      } catch {
        // The server that was asked is dead: this receiver could not do its work.
        response.writeHead(500).end();
        return;
      }
      // Now and then the answer gets lost.
      if (random() < 0.05) response.socket?.destroy();
      else acknowledge(request, response);
    };

    let isOver = false;
    const write = async ({ id, api }: (typeof developers)[number]) => {
      const known: string[] = [];
      for (let n = 0; !isOver; n++) {
        const at = anywhere(api);
        // Nobody knows what became of a write whose server died; the next one goes elsewhere.
        try {
          if (known.length < 20 || random() < 0.2) {
            known.push(
              (await at.create({ developerId: id, resourceType: 'ROUTE', resourceKey: `k${n}`, data: {} }))
                .id,
            );
          } else await at.patch(`${RECORDS}/${pick(known)}`, { data: { n } });
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    for (const { id, api, client } of developers) {
      await api.create({ developerId: id, resourceType: 'ROUTE', resourceKey: 'first', data: {} });
      clients.set(await idOf(api), { client, api });
    }
    const writing = developers.map(write);
    for (let round = 0; round < 2; round++) {
      const told = receiver.received.length;
      await until(() => receiver.received.length > told + 10);
      await killOne();
    }
    isOver = true;
    await Promise.all(writing);

    for (const { id, api, client } of developers) {
      const there = anywhere(api);
      const userId = await idOf(there);
      const end = (await there.sync('since=2999-01-01')).body.meta.rwgps_datetime;
      await until(() =>
        receiver.messages.some(({ range }) => range!.user_id === userId && range!.until === end),
      );
      const { items } = (await there.sync('since=1970-01-01')).body;
      expect(joined(receiver.messages, userId)).toEqual(
        items.map((item: object) => ({ user_id: userId, ...item })),
      );
      // The last request may still be on its way.
      await until(() => client.received.length === items.length);
      await expectExactCopy(client, there, id);
    }
    const texts = new Map(receiver.messages.map(({ id, text }) => [id, text]));
    for (const { id, text } of receiver.received) expect(text).toBe(texts.get(id));
    expect(receiver.refused).toEqual([]);
    expect(mostOpen).toBe(1);
  }, 300_000);
});

describe('10,000 changes behind an endpoint that is away', () => {
  it('come a hundred at a time when it is back, in flat memory', async () => {
    const { connect } = await start(!isServer, 1);
    const api = await connect('dev-1');
    await api.create({ developerId: 'dev-1', resourceType: 'ROUTE', resourceKey: 'a', data: {} });
    await until(() => receiver.messages.length === 1);
    const userId = await idOf(api);
    await servers.pop()!.stop();
    await runSql(
      database,
      `WITH changes AS (
         INSERT INTO change_events (user_id, datetime, action, item_type, asset, item_id, item_user_id)
         SELECT d.user_id, d.clock + n * interval '1 ms', 'updated', 'route', 'routes', 1, d.user_id
         FROM feeds d, generate_series(1, 10000) n WHERE d.user_id = ${userId}
         RETURNING datetime
       )
       UPDATE feeds SET clock = (SELECT max(datetime) FROM changes) WHERE user_id = ${userId}`,
    );
    let failures = 0;
    receiver.behave = (request, response) => {
      if (failures++ < 2) response.writeHead(500).end();
      else acknowledge(request, response);
    };
    const server = await ServerProcess.start(env());
    servers.push(server);
    const memory = () => memoryOf(server.child.pid!, 'VmRSS');
    await api
      .at(server.url)
      .create({ developerId: 'dev-1', resourceType: 'ROUTE', resourceKey: 'b', data: {} });
    await until(() => failures > 10);
    const before = memory();
    const told = () => receiver.messages.slice(1).flatMap(({ notifications }) => notifications);
    await until(() => told().length === 10_001);
    expect(memory() - before).toBeLessThan(64);
    expect(receiver.messages.slice(1).map(({ notifications }) => notifications.length)).toEqual([
      ...Array<number>(100).fill(100),
      1,
    ]);
    expect(joined(receiver.messages, userId)).toHaveLength(10_002);
  });
});

describe('the log of deliveries', () => {
  it('goes back WEBHOOK_LOG_DAYS, and keeps what is still pending', async () => {
    const { connect, webhook } = await start(!isServer, 1);
    const api = await connect('dev-1');
    const log = async () => (await servers[0].admin.get(`${webhook}/deliveries`)).body;
    await api.create({ developerId: 'dev-1', resourceType: 'ROUTE', resourceKey: 'a', data: {} });
    await until(async () => (await log()).data[0]?.status === 'delivered');
    await servers[0].admin.post(`${webhook}/test`, {});
    receiver.behave = (_request, response) => void response.writeHead(500).end();
    await api.create({ developerId: 'dev-1', resourceType: 'ROUTE', resourceKey: 'b', data: {} });
    await until(async () =>
      (await log()).data.some(({ status }: { status: string }) => status === 'pending'),
    );
    expect((await log()).total).toBe(3);
    await servers.pop()!.stop();
    await runSql(
      database,
      `UPDATE webhook_deliveries SET created_at = now() - (CASE kind WHEN 'test' THEN 6 ELSE 8 END) * interval '1 day'`,
    );
    servers.push(await ServerProcess.start({ ...env(), WEBHOOK_LOG_DAYS: '7' }));
    await until(async () => (await log()).total === 2);
    expect((await log()).data).toMatchObject([{ status: 'pending' }, { kind: 'test' }]);
  });
});
