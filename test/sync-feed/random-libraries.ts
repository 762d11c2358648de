import { RECORDS } from '../support/api.js';
import { settle } from '../support/followers.js';
import { seededRandom } from '../support/random.js';
import { app } from './app.js';

let developers = 0;

/** Two developers with empty libraries, and random steps: each follows records of the other. */
export async function createLibraries() {
  const random = seededRandom();
  const pick = <Item>(items: Item[]) => items[Math.floor(random() * items.length)];
  const names = [`random-${++developers}`, `random-${++developers}`];
  const apis = await Promise.all(names.map((name) => app.developer(name)));
  const records: { id: string; owner: number }[] = [];
  let steps = 0;

  /** One random change of the libraries, or none. */
  async function step(): Promise<void> {
    steps++;
    const owner = Math.floor(random() * 2);
    const record = pick(records);
    const action = record
      ? pick(['create', 'patch', 'patch', 'patch', 'delete', 'share', 'pin', 'unpin', 'unshare'])
      : 'create';
    const path = record && `${RECORDS}/${record.id}`;
    if (action === 'create') {
      const resourceType = pick(['ROUTE', 'TRIP']);
      const input = { developerId: names[owner], resourceType, resourceKey: `${steps}`, data: {} };
      records.push({ id: (await apis[owner].create(input)).id, owner });
    } else if (action === 'patch') await apis[record.owner].patch(path, { data: { steps } });
    else if (action === 'share') await apis[record.owner].put(`${path}/shares/${names[1 - record.owner]}`);
    else if (action === 'unshare')
      await apis[record.owner].delete(`${path}/shares/${names[1 - record.owner]}`);
    else if (action === 'pin') await apis[owner].put(`${path}/pin`);
    else if (action === 'unpin') await apis[owner].delete(`${path}/pin`);
    else {
      await apis[record.owner].delete(path);
      records.splice(records.indexOf(record), 1);
    }
    if (random() < 0.3) await settleLibraries();
  }

  return { names, apis, random, step };
}

/** Two libraries after many random steps. */
export async function randomLibraries(steps: number) {
  const libraries = await createLibraries();
  for (let i = 0; i < steps; i++) await libraries.step();
  await settleLibraries();
  return libraries;
}

const settleLibraries = () => settle((sql, values) => app.dataSource.query(sql, values));
