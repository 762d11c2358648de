import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { RECORDS } from '../support/api.js';
import { DIGEST_CODE } from '../support/digest.js';
import { ReadmeClient } from '../support/readme-client.js';
import { app } from './app.js';

describe('the client of README.md', () => {
  it('has the digestOf of docs/sync-feed.md', () => {
    expect(readFileSync('README.md', 'utf8')).toContain(DIGEST_CODE);
  });

  it('proves its copy after the first sync and on demand, also if a sync is repeated', async () => {
    const developerId = 'readme';
    const api = await app.developer(developerId);
    const [first, second] = await Promise.all(
      ['first', 'second'].map((resourceKey) =>
        api.create({ developerId, resourceType: 'ROUTE', resourceKey, data: {} }),
      ),
    );
    const client = new ReadmeClient(api);
    await client.sync();
    const { cursor } = client;
    await api.patch(`${RECORDS}/${first.id}`, { data: { km: 2 } });
    await api.delete(`${RECORDS}/${first.id}`);
    await api.patch(`${RECORDS}/${second.id}`, { data: { km: 2 } });
    await client.sync(true);
    // A crash before the cursor was stored: the same items come again.
    client.cursor = cursor;
    await client.sync(true);
    expect([...client.copy.values()]).toMatchObject([{ content: { data: { km: 2 } } }]);

    client.copy.clear();
    await client.sync();
    await expect(client.sync(true)).rejects.toThrow('the copy is not the library');
    // The first sync of a copy that is not empty: a ghost.
    client.copy.set(1e9, { item_url: '', own: cursor });
    client.cursor = undefined;
    await expect(client.sync()).rejects.toThrow('the copy is not the library');
    client.copy.clear();
    await client.sync();
    expect(client.copy.size).toBe(1);
  });
});
