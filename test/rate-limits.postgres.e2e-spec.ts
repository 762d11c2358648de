import { expect, it } from '@jest/globals';
import { RECORDS } from './support/api.js';
import { createDatabase, createDeveloper, ServerProcess } from './support/server.js';
import { until } from './support/until.js';

it('RATE_LIMIT holds for all processes together', async () => {
  const database = await createDatabase();
  const env = { ...database.env, RATE_LIMIT: '1000' };
  const [one, two] = await Promise.all([ServerProcess.start(env), ServerProcess.start(env)]);
  try {
    const api = await createDeveloper(one.url, 'busy');
    const there = api.at(two.url);
    // All requests belong to one window of a minute.
    await until(() => new Date().getSeconds() < 40);
    for (let n = 0; n < 600; n++) expect((await api.get(RECORDS)).status).toBe(200);
    // Above a tenth of the limit, a process tells the others, and learns of theirs.
    let accepted = 0;
    let remaining = Infinity;
    const request = async () => {
      const { status, headers } = await there.get(RECORDS);
      if (status === 200) accepted++;
      remaining = Number(/r=(\d+)/.exec(headers.get('ratelimit')!)![1]);
      return status;
    };
    while (accepted < 110) await request();
    await until(async () => {
      await request();
      return remaining <= 1_000 - 600 - accepted;
    });
    while ((await request()) === 200);
    expect(accepted).toBe(400);
  } finally {
    await Promise.all([one.stop(), two.stop()]);
    await database.drop();
  }
}, 60_000);
