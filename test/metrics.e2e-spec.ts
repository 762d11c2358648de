import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { Api, RECORDS } from './support/api.js';
import { useApp } from './support/app.js';
import { databaseDirectory, endServersAfterEach, spawn, start } from './support/embedded-server.js';
import { Scrape } from './support/metrics.js';
import { acknowledge, Receiver } from './support/receiver.js';
import { freePort } from './support/server.js';
import { until } from './support/until.js';
import { createApplication } from './support/webhooks.js';

const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const app = useApp({ METRICS_PORT: String(port), RATE_LIMIT: '100', WEBHOOK_ALLOW_PRIVATE: 'true' });

const REQUESTS = 'tidemark_http_request_duration_seconds_count';
const SYNC = '/api/v1/sync.json';

/** How much a sample grows while the work is done, and its answers are counted. */
async function growth(work: () => Promise<unknown>, name: string, labels: Record<string, string>) {
  const before = (await Scrape.of(port)).value(name, labels) ?? 0;
  await work();
  return ((await Scrape.of(port)).value(name, labels) ?? 0) - before;
}

const input = (developerId: string, resourceKey: string) => ({
  developerId,
  resourceType: 'ROUTE',
  resourceKey,
  data: {},
});

describe('the listener of METRICS_PORT', () => {
  it('serves GET and HEAD /metrics in the text format of Prometheus, and nothing else', async () => {
    const answer = await fetch(`${url}/metrics`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect((await fetch(`${url}/metrics?x=1`, { method: 'HEAD' })).status).toBe(200);
    expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).toBe(405);
    for (const path of ['/', '/health/live', SYNC, '/metrics/x'])
      expect((await fetch(url + path)).status).toBe(404);
  });

  it('is not the public port, even for an admin', async () => {
    expect((await app.admin.get('/metrics')).status).toBe(404);
  });
});

describe('a request that waits for a change', () => {
  it('is a live request, and its wait is no duration', async () => {
    const developer = await app.developer('dev-live');
    const { body } = await developer.get(`${SYNC}?since=1970-01-01T00:00:00Z`);
    const labels = { method: 'GET', route: SYNC, status: '200' };
    const wait = async () => {
      const answer = developer.get(`${body.meta.next_sync_url}&wait=55`);
      await until(async () => (await Scrape.of(port)).value('tidemark_live_requests', {}) === 1);
      await developer.create(input('dev-live', 'a'));
      expect((await answer).body.items).toHaveLength(1);
    };
    expect(await growth(wait, REQUESTS, labels)).toBe(0);
    await until(async () => (await Scrape.of(port)).value('tidemark_live_requests', {}) === 0);
  });
});

describe('labels', () => {
  it('are of bounded sets: no id of a developer, key or record, and no URL', async () => {
    const developer = await app.developer('developer-of-labels');
    const { id } = await developer.create(input('developer-of-labels', 'key-of-labels'));
    await developer.get(`${RECORDS}/${id}`);
    await developer.sync({ since: '1970-01-01', developerId: 'developer-of-labels' });
    for (let n = 0; n < 3; n++) await developer.get(`/no/such/path-of-labels-${n}`);
    const { series, text } = await Scrape.of(port);
    for (const part of ['of-labels', id, developer.key!.slice(0, 12)]) expect(text).not.toContain(part);
    const names = new Set(series.flatMap(({ labels }) => [...labels.matchAll(/(\w+)="/g)].map(([, l]) => l)));
    expect([...names].sort()).toEqual(
      [
        ...['action', 'code', 'kind', 'le', 'limit', 'method', 'mode', 'pool', 'queue', 'quantile', 'reason'],
        ...['result', 'route', 'space', 'state', 'status', 'table', 'task', 'type'],
        ...['major', 'minor', 'patch', 'version'],
      ]
        .filter((name) => names.has(name) || !['kind', 'quantile'].includes(name))
        .sort(),
    );
  });

  it('of requests are the template of the route, the method and the status', async () => {
    const developer = await app.developer('dev-routes');
    const { id } = await developer.create(input('dev-routes', 'a'));
    const route = `${RECORDS}/:id`;
    const labels = { method: 'GET', route, status: '200' };
    expect(await growth(() => developer.get(`${RECORDS}/${id}`), REQUESTS, labels)).toBe(1);
    const missing = () => developer.get('/no/such/path');
    expect(await growth(missing, REQUESTS, { method: 'other', route: 'unmatched', status: '404' })).toBe(1);
    expect(await growth(missing, 'tidemark_http_errors_total', { code: 'not_found' })).toBe(1);
  });
});

describe('the feed', () => {
  it('changes count once they are committed, and not if they are rolled back', async () => {
    const developer = await app.developer('dev-changes');
    const changes = (work: () => Promise<unknown>, action: string) =>
      growth(work, 'tidemark_feed_changes_total', { action });
    let id = '';
    const create = async () => {
      const { status, body } = await developer.post(RECORDS, input('dev-changes', 'a'));
      id ||= body.id;
      return status;
    };
    expect(await changes(create, 'created')).toBe(1);
    expect(await changes(async () => expect(await create()).toBe(409), 'created')).toBe(0);
    const locks = 'tidemark_feed_lock_wait_seconds_count';
    expect(await growth(() => developer.patch(`${RECORDS}/${id}`, { data: { n: 1 } }), locks, {})).toBe(1);
    expect(await changes(() => developer.patch(`${RECORDS}/${id}`, { data: { n: 2 } }), 'updated')).toBe(1);
    expect(await changes(() => developer.delete(`${RECORDS}/${id}`), 'deleted')).toBe(1);
  });

  it('reads count by mode and result, with the changes and the bytes that they serve', async () => {
    const developer = await app.developer('dev-reads');
    for (const key of ['a', 'b']) await developer.create(input('dev-reads', key));
    const reads = (work: () => Promise<unknown>, mode: string, result: string) =>
      growth(work, 'tidemark_feed_reads_total', { mode, result });
    const all = () => developer.sync({ since: '1970-01-01' });
    expect(await reads(all, 'plain', 'changes')).toBe(1);
    expect(await growth(all, 'tidemark_feed_items_served_total', { mode: 'plain' })).toBe(2);
    const { body, headers } = await all();
    const bytes = body.items.reduce((sum: number, item: object) => sum + JSON.stringify(item).length, 0) + 1;
    expect(await growth(all, 'tidemark_feed_served_bytes_total', { mode: 'plain' })).toBe(bytes);
    const since = body.meta.rwgps_datetime;
    expect(await reads(() => developer.sync({ since }), 'plain', 'empty')).toBe(1);
    const path = `${SYNC}?since=1970-01-01`;
    const again = () => developer.get(path, { 'if-none-match': headers.get('etag')! });
    expect(await reads(again, 'plain', 'not_modified')).toBe(1);
    const compact = () => developer.sync({ since: '1970-01-01', compact: 'true' });
    expect(await reads(compact, 'compact', 'changes')).toBe(1);
  });
});

describe('refused callers', () => {
  it('count by the code of their error, and 429 by its limit', async () => {
    const errors = (work: () => Promise<unknown>, code: string) =>
      growth(work, 'tidemark_http_errors_total', { code });
    expect(await errors(() => new Api(app.url).get(RECORDS), 'authentication_required')).toBe(1);
    expect(await errors(() => new Api(app.url, 'wrong').get(RECORDS), 'invalid_token')).toBe(1);
    expect(await errors(() => app.admin.get('/%zz'), 'invalid_request')).toBe(1);
    const busy = await app.developer('dev-busy');
    const exhaust = async () => {
      while ((await busy.sync({ since: '1970-01-01' })).status !== 429);
    };
    const limited = await growth(exhaust, 'tidemark_rate_limited_total', { limit: 'credential' });
    expect(limited).toBeGreaterThanOrEqual(1);
  });
});

describe('webhooks', () => {
  let receiver: Receiver;
  beforeAll(async () => void (receiver = await Receiver.start()));
  afterAll(() => receiver.close());

  it('count by class of the status; endpoints by state; what is overdue is late', async () => {
    const { connect, webhook } = await createApplication(app.admin, receiver);
    const developer = await connect('dev-webhooks');
    const states = async (state: string) =>
      (await Scrape.of(port)).value('tidemark_webhook_endpoints', { state });
    expect(await states('healthy')).toBe(1);
    const sent = async (status: string) =>
      (await Scrape.of(port)).value('tidemark_webhook_duration_seconds_count', { status })!;
    const before = await sent('2xx');
    await developer.create(input('dev-webhooks', 'a'));
    await until(async () => (await sent('2xx')) > before);
    receiver.behave = (_request, response) => void response.writeHead(500).end();
    await developer.create(input('dev-webhooks', 'b'));
    await until(async () => (await sent('5xx')) > 0);
    await until(async () => (await states('failing')) === 1);
    receiver.behave = (_request, response) => void response.writeHead(410).end();
    expect((await app.admin.patch(webhook, { active: true })).status).toBe(200);
    await until(async () => (await states('disabled')) === 1);
    const scrape = await Scrape.of(port);
    expect(scrape.value('tidemark_webhook_endpoints_disabled_total', { reason: 'gone' })).toBe(1);
    // Nothing is sent to it, so nothing is late.
    expect(scrape.value('tidemark_webhook_lag_seconds')).toBe(0);
  });

  it('a delivery that waits for its turn is late, from the time at which it was due', async () => {
    const { connect } = await createApplication(app.admin, receiver);
    const held: (() => void)[] = [];
    receiver.behave = (_request, response) => void held.push(() => response.writeHead(204).end());
    // An endpoint gets 4 requests at a time.
    for (let n = 0; n < 5; n++) await (await connect(`dev-late-${n}`)).create(input(`dev-late-${n}`, 'a'));
    await until(async () => (await Scrape.of(port)).value('tidemark_webhook_lag_seconds')! > 0);
    receiver.behave = acknowledge;
    for (const end of held) end();
    await until(async () => (await Scrape.of(port)).value('tidemark_webhook_lag_seconds') === 0);
  });
});

describe('the state of a process', () => {
  it('is in every scrape: limits, pool, tasks, jobs, histories, event loop', async () => {
    await until(
      async () =>
        ((await Scrape.of(port)).value('tidemark_task_duration_seconds_count', {
          task: 'audit_log',
          result: 'ok',
        }) ?? 0) > 0,
    );
    const scrape = await Scrape.of(port);
    for (const limit of ['database_turns', 'body_bytes', 'answer_bytes', 'page_bytes', 'feed_writers']) {
      expect(scrape.value('tidemark_admission_used', { limit })).toBeGreaterThanOrEqual(0);
      expect(scrape.value('tidemark_admission_waiting', { limit })).toBe(0);
      expect(scrape.value('tidemark_admission_refused_total', { limit })).toBe(0);
    }
    expect(scrape.value('tidemark_db_up')).toBe(1);
    expect(scrape.value('tidemark_db_connections')).toBeGreaterThanOrEqual(1);
    expect(scrape.value('tidemark_db_connections_limit', { pool: 'primary' })).toBeGreaterThanOrEqual(1);
    expect(scrape.value('tidemark_db_waiting', { pool: 'primary' })).toBeGreaterThanOrEqual(0);
    expect(scrape.value('tidemark_histories')).toBe(1);
    expect(scrape.value('tidemark_jobs', { queue: 'followers', state: 'retry' })).toBe(0);
    expect(scrape.value('tidemark_task_duration_seconds_count', { result: 'failed' })).toBe(0);
    expect(scrape.value('tidemark_http_connections')).toBeGreaterThanOrEqual(0);
    expect(scrape.value('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);
    expect(scrape.value('process_resident_memory_bytes')).toBeGreaterThan(0);
  });

  it('shows jobs that have not ended, and the age of the oldest', async () => {
    await app.dataSource.query(`
      INSERT INTO pgboss.job (name, data, start_after, created_on)
      VALUES ('followers', '{}', now() + interval '1 day', now() - interval '10 minutes')`);
    const scrape = await Scrape.of(port);
    expect(scrape.value('tidemark_jobs', { queue: 'followers', state: 'created' })).toBe(1);
    expect(scrape.value('tidemark_job_oldest_seconds', { queue: 'followers' })).toBeGreaterThanOrEqual(600);
    expect(scrape.value('tidemark_job_oldest_seconds', { queue: 'erasures' })).toBe(0);
    await app.dataSource.query(`DELETE FROM pgboss.job WHERE start_after > now() + interval '1 hour'`);
  });
});

describe('ops/', () => {
  it.each(['alerts.yml', 'grafana-dashboard.json'])('each metric of %s is in a scrape', async (file) => {
    const text = readFileSync(`ops/${file}`, 'utf8');
    const used = new Set(text.match(/\b(tidemark|nodejs|process)_\w+/g));
    expect(used.size).toBeGreaterThan(10);
    // Of all servers without replicas, which have no lag, and before the first collection of garbage.
    const { names } = await Scrape.of(port);
    for (const name of ['tidemark_replica_lag_seconds', 'nodejs_gc_duration_seconds_sum']) names.add(name);
    expect([...used].filter((name) => !names.has(name))).toEqual([]);
  });

  it('the dashboard shows each metric of the server', async () => {
    const text = readFileSync('ops/grafana-dashboard.json', 'utf8');
    const families = (await Scrape.of(port)).text.matchAll(/^# TYPE (tidemark_\w+) /gm);
    expect([...families].map(([, name]) => name).filter((name) => !text.includes(name))).toEqual([]);
  });
});

describe('a process with metrics', () => {
  endServersAfterEach();

  it('serves them until the last request is answered, and then ends with 0', async () => {
    const METRICS_PORT = String(await freePort());
    const server = await start(await databaseDirectory(), { METRICS_PORT, SHUTDOWN_TIMEOUT: '30' });
    expect((await Scrape.of(Number(METRICS_PORT))).value('tidemark_db_up')).toBe(1);
    // A request whose body has not arrived keeps the server from its end.
    let end: () => void = () => {};
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"developerId":"dev-1",'));
        end = () => {
          controller.enqueue(new TextEncoder().encode('"resourceType":"ROUTE","resourceKey":"a","data":{}}'));
          controller.close();
        };
      },
    });
    const headers = { authorization: `Bearer ${server.admin.key}`, 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body, duplex: 'half' };
    const answer = fetch(server.url + RECORDS, init as RequestInit);
    await until(
      async () =>
        ((await Scrape.of(Number(METRICS_PORT))).value('tidemark_admission_used', { limit: 'body_bytes' }) ??
          0) > 0,
    );
    server.child.kill('SIGTERM');
    // It does not listen any more,
    await until(async () => (await fetch(`${server.url}/health/live`).catch(() => undefined)) === undefined);
    // and is still seen.
    expect((await Scrape.of(Number(METRICS_PORT))).value('tidemark_db_up')).toBe(1);
    end();
    expect((await answer).status).toBe(201);
    expect(await server.exited).toEqual({ code: 0, signal: null });
  });

  it('does not start on a port that is in use: one clear line', async () => {
    const server = await spawn({ DATA_DIR: await databaseDirectory(), METRICS_PORT: String(port) });
    expect((await server.exited).code).toBe(1);
    expect(server.output).toMatch(
      /^Tidemark cannot start: METRICS_PORT cannot be used: [^\n]*EADDRINUSE[^\n]*\n$/,
    );
  });
});
