import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Api, RECORDS } from '../support/api.js';
import { expectLibrary, settle } from '../support/followers.js';
import { ReadmeClient } from '../support/readme-client.js';
import { SyncClient } from '../support/sync-client.js';
import { app } from './app.js';

const query = (sql: string, values: unknown[] = []) => app.dataSource.query(sql, values);

const DEVELOPERS = 3;

const who = fc.nat(DEVELOPERS - 1);
const which = fc.nat(1000);
const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('create' as const), who, which }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('patch' as const), who, which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('delete' as const), who, which }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('share' as const), who, which }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('unshare' as const), who, which }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('pin' as const), who, which }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('unpin' as const), who, which }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('poll' as const), who, which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restart' as const), who, which }) },
);

let runs = 0;

describe('developers who create, change, delete, share, unshare, pin and unpin at random', () => {
  it('end with exact copies of all that they may see, whatever their pages, restarts and filters', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(command, { minLength: 10, maxLength: 60 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 5 })),
        async (commands, limits) => {
          const run = ++runs;
          const ids = Array.from({ length: DEVELOPERS }, (_, n) => `run-${run}-developer-${n}`);
          const apis: Api[] = await Promise.all(ids.map((id) => app.developer(id)));
          const limit = () => limits.next().value as number;
          const clients = apis.map((api) => new SyncClient(api, undefined, limit));
          const saved = clients.map((client) => client.save());
          const routesOnly = apis.map((api) => new SyncClient(api, '1970-01-01&assets=routes'));
          const readme = apis.map((api) => new ReadmeClient(api));
          const records: { id: string; owner: number }[] = [];
          for (const { type, who, which } of commands) {
            if (type === 'create') {
              const resourceType = which % 2 ? 'ROUTE' : 'TRIP';
              const input = {
                developerId: ids[who],
                resourceType,
                resourceKey: `key-${records.length}`,
                data: {},
              };
              records.push({ id: (await apis[who].create(input)).id, owner: who });
              continue;
            }
            if (type === 'poll') {
              await clients[who].poll();
              if (which % 3 === 0) saved[who] = clients[who].save();
              if (which % 3 === 1) await routesOnly[who].poll();
              if (which % 3 === 2) await readme[who].sync(true);
              continue;
            }
            if (type === 'restart') {
              clients[who].restore(saved[who]);
              continue;
            }
            if (records.length === 0) continue;
            const { id, owner } = records[which % records.length];
            const path = `${RECORDS}/${id}`;
            const other = ids[who];
            const { status } = await {
              patch: () => apis[owner].patch(path, { data: { which } }),
              delete: () => apis[owner].delete(path),
              share: () => apis[owner].put(`${path}/shares/${other}`),
              unshare: () => apis[owner].delete(`${path}/shares/${other}`),
              pin: () => apis[who].put(`${path}/pin`),
              unpin: () => apis[who].delete(`${path}/pin`),
            }[type]();
            expect([200, 204, 400, 403, 404]).toContain(status);
          }
          await settle(query);
          for (const [n, api] of apis.entries()) {
            await clients[n].catchUp();
            await expectLibrary(query, clients[n], api, ids[n]);
            await readme[n].sync(true);
            expect([...readme[n].copy.keys()].sort()).toEqual(
              [...new Set([...clients[n].items.keys(), ...clients[n].pinned.keys()])].sort(),
            );
            for (const item of readme[n].copy.values()) {
              expect({ item: item.content }).toEqual({
                item: Object.values((await api.get(item.item_url)).body)[0],
              });
            }
            await routesOnly[n].catchUp();
            expect([...routesOnly[n].items.keys()]).toEqual(keysOfType(clients[n].items, 'route'));
            expect([...routesOnly[n].pinned.keys()]).toEqual(keysOfType(clients[n].pinned, 'route'));
          }
        },
      ),
      { seed: Number(process.env.TEST_SEED), numRuns: 15, endOnFailure: true },
    );
  });
});

const keysOfType = (items: SyncClient['items'], type: string) =>
  [...items].filter(([, item]) => item.item_type === type).map(([id]) => id);
