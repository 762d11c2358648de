import type { SyncBody } from './sync-answer.js';

const ORIGIN = 'https://sync.example.com/api/v1';

/** The example of spec/sync-endpoint.md, oldest first as that document requires. */
export const SYNC_EXAMPLE: SyncBody = {
  items: [
    {
      item_type: 'route',
      item_id: 217,
      item_user_id: 2,
      item_url: `${ORIGIN}/routes/217.json`,
      action: 'added',
      datetime: '2024-09-05T23:17:55.000Z',
      collection: { id: 1, type: 'pinned', name: 'pinned', url: `${ORIGIN}/collections/1.json` },
    },
    {
      item_type: 'route',
      item_id: 218,
      item_user_id: 1,
      item_url: `${ORIGIN}/routes/218.json`,
      action: 'updated',
      datetime: '2024-09-05T23:19:36.000Z',
      collection: null,
    },
    {
      item_type: 'route',
      item_id: 156,
      item_user_id: 1,
      item_url: `${ORIGIN}/routes/156.json`,
      action: 'deleted',
      datetime: '2024-09-08T15:42:21.000Z',
      collection: null,
    },
    {
      item_type: 'trip',
      item_id: 738,
      item_user_id: 1,
      item_url: `${ORIGIN}/trips/738.json`,
      action: 'created',
      datetime: '2024-09-09T22:29:01.000Z',
      collection: null,
    },
  ],
  meta: {
    rwgps_datetime: '2024-09-09T22:53:52.000+00:00',
    next_sync_url: `${ORIGIN}/sync.json?assets=routes%2Ctrips&since=2024-09-09T22%3A53%3A52.000%2B00%3A00`,
    item_count: 4,
    date_range: { since: '2024-09-01T00:00:00Z', until: '2024-09-09T22:53:52.000+00:00' },
  },
};

/** Idle, with `digest=true`: the library is what the items above have left. */
export const DIGEST_EXAMPLE: SyncBody = {
  items: [],
  meta: {
    rwgps_datetime: '2024-09-09T22:53:52.000+00:00',
    next_sync_url: `${ORIGIN}/sync.json?assets=routes%2Ctrips&since=2024-09-09T22%3A53%3A52.000%2B00%3A00`,
    item_count: 0,
    date_range: { since: '2024-09-09T22:53:52Z', until: '2024-09-09T22:53:52.000+00:00' },
    digest: { items: 3, xor: '80f94b6e6d36b86c56409ab898853ce4' },
  },
};
