import { expect } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { RECORDS } from './api.js';
import { acknowledge, type Behaviour, FAILURES, joined, Receiver } from './receiver.js';
import type { TestApp } from './server.js';
import { expectExactCopy, SyncClient } from './sync-client.js';
import { until } from './until.js';
import { createApplication } from './webhooks.js';

const SLOW = ['never answers', 'sends one byte a second'];

/** The failures that a server notices at once: the others end with its timeout, 15 s later. */
export const QUICK_FAILURES = Object.fromEntries(
  Object.entries(FAILURES).filter(([name]) => !SLOW.includes(name)),
);

/** Number of notifications that a receiver has dealt with. */
export const count = (receiver: Receiver): number =>
  receiver.messages.reduce((sum, { notifications }) => sum + notifications.length, 0);

/** Makes every pending retry due now, instead of minutes or hours later. */
export const hurry = (dataSource: DataSource): Promise<unknown> =>
  dataSource.query(`
    WITH endpoints AS (UPDATE webhook_endpoints SET retry_at = NULL)
    UPDATE webhook_positions SET due_at = clock_timestamp() WHERE due_at IS NOT NULL AND lease IS NULL`);

/** Waits for a condition, and makes pending retries due meanwhile. */
export const untilSoon = (
  dataSource: DataSource,
  condition: () => Promise<boolean> | boolean,
): Promise<void> =>
  until(async () => {
    if (await condition()) return true;
    await hurry(dataSource);
    return false;
  });

let developers = 0;

/**
 * At-least-once delivery: a receiver that fails gets each change under one id in each attempt, and a client
 * that syncs on reception alone ends with an exact copy.
 *
 * @param failures each with a receiver of its own; all run at once, because some take their time
 */
export async function expectDeliveryDespite(
  app: TestApp,
  failures: Record<string, Behaviour>,
): Promise<void> {
  await Promise.all(
    Object.values(failures).map(async (fail) => {
      const receiver = await Receiver.start();
      const { webhook, connect } = await createApplication(app.admin, receiver);
      const developerId = `failing-${++developers}`;
      const api = await connect(developerId);
      const client = new SyncClient(api);
      let attempts = 0;
      receiver.behave = async (request, response) => {
        await client.catchUp();
        return attempts++ < 2 ? fail(request, response) : acknowledge(request, response);
      };
      const { id } = await api.create({ developerId, resourceType: 'ROUTE', resourceKey: 'a', data: {} });
      await until(() => receiver.received.length > 0);
      for (let n = 0; n < 5; n++) await api.patch(`${RECORDS}/${id}`, { data: { n } });
      await untilSoon(
        app.dataSource,
        async () =>
          count(receiver) === 6 && attempts > 3 && (await app.admin.get(webhook)).body.failingSince === null,
      );

      const [first, second, third] = receiver.received;
      expect([second.id, second.text]).toEqual([first.id, first.text]);
      expect([third.id, third.text]).toEqual([first.id, first.text]);
      const userId = (await api.sync('since=1970-01-01')).body.items[0].item_user_id;
      expect(joined(receiver.messages, userId)).toHaveLength(6);
      await expectExactCopy(client, api, developerId);
      expect(receiver.refused).toEqual([]);
      await receiver.close();
    }),
  );
}
