import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Gate } from './support/gate.js';
import { Receiver } from './support/receiver.js';
import { ServerProcess, startApp, type TestApp } from './support/server.js';
import { until } from './support/until.js';
import { createApplication } from './support/webhooks.js';

let app: TestApp;
let other: ServerProcess;
let gate: Gate;
let receiver: Receiver;

beforeAll(async () => {
  app = await startApp({ WEBHOOK_ALLOW_PRIVATE: 'true' });
  const DATABASE_URL = process.env.DATABASE_URL!;
  other = await ServerProcess.start({ DATABASE_URL });
  gate = await Gate.build(DATABASE_URL);
  receiver = await Receiver.start();
});
afterAll(async () => {
  await other.stop();
  await gate.end();
  await receiver.close();
  await app.close();
});

const is = async (condition: string) =>
  (await app.dataSource.query<{ is: boolean }[]>(`SELECT ${condition} AS is`))[0].is;

it('a step moves a wait once, by all processes together, and also that of an open transaction', async () => {
  // Nothing is sent to an endpoint that is not active: its position waits.
  const { connect } = await createApplication(app.admin, receiver, { active: false });
  await connect('dev-1');
  const hour = 3_600_000;
  await gate.session.query('BEGIN');
  const { rows } = await gate.session.query<{ due: Date }>(
    `UPDATE webhook_positions SET due_at = clock_timestamp() + interval '1 hour' RETURNING due_at AS due`,
  );
  await app.dataSource.query(`UPDATE clock_heartbeats SET last = clock_timestamp() + interval '1 hour'`);
  await until(() =>
    is(`EXISTS (
      SELECT FROM pg_locks
      WHERE relation = 'webhook_positions'::regclass AND mode = 'ExclusiveLock' AND NOT granted)`),
  );
  await gate.session.query('COMMIT');

  // The next beat: every process has looked at the clock meanwhile.
  const last = `(SELECT last FROM clock_heartbeats WHERE table_name = 'webhook_positions')`;
  await until(() => is(`${last} <= clock_timestamp()`));
  await app.dataSource.query(`CREATE TABLE moved AS SELECT ${last} AS last`);
  await until(() => is(`${last} > (SELECT last FROM moved)`));
  const [{ due }] = await app.dataSource.query<{ due: Date }[]>(
    'SELECT due_at AS due FROM webhook_positions',
  );
  expect(due.getTime()).toBeGreaterThanOrEqual(rows[0].due.getTime() - hour);
  expect(due.getTime()).toBeLessThan(rows[0].due.getTime() - hour / 2);
});
