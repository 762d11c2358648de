import { mkdtempSync, rmSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { PostgresServer } from '../postgres.js';
import { memoryOf } from '../process-table.js';
import { ServerProcess } from '../server-process.js';
import { attacksOf, type Target } from './attacks.js';
import { generateLibraries } from './library.js';

const ADMIN_KEY = 'admin-key-of-the-benchmark-of-attacks';

const RECORDS = '/api/v1/sync/records';

/** The attack that needs a lock of the library of the first hostile developer. */
const LOCKED = /locked/;

/** What another developer and a probe meet. Times in ms. */
interface Latency {
  p95: number;
  worst: number;
  requests: number;
  /** Requests that were not answered, or with another status than without an attack. */
  failed: number;
}

export interface AttackResult {
  alone: Latency;
  attacked: Latency;
  /** Highest resident memory of the server, in MiB. */
  memory: number;
  survived: boolean;
}

export type AttackReport = Record<string, AttackResult>;

const EMBEDDED = 'embedded: ';

/** The attacks whose name contains the text, on PostgreSQL and on the embedded database. */
export function attacksNamed(text: string): { names: string[]; embeddedNames: string[] } {
  const all = Object.keys(attacksOf({ port: 0, keys: [], bigKeys: [], webhookPath: '', authorization: '' }));
  return {
    names: all.filter((name) => name.includes(text)),
    // By default only all of them together: what differs is the memory of the database.
    embeddedNames: all.filter(
      (name) =>
        `${EMBEDDED}${name}`.includes(text) &&
        (text.startsWith('embedded') || name.startsWith('all of them')),
    ),
  };
}

/**
 * Another developer's requests, one after the other, and the readiness probe, alone and under each attack. Each
 * attack has a server process of its own.
 *
 * @param pattern only attacks whose name contains it
 */
export async function measureAttacks(
  postgres: PostgresServer,
  client: pg.Client,
  { seconds, pattern }: { seconds: number; pattern: string },
): Promise<AttackReport> {
  const env = { DATABASE_URL: postgres.url, ADMIN_API_KEY: ADMIN_KEY, WEBHOOK_ALLOW_PRIVATE: 'true' };
  const sink = createServer(
    (_request, response) => void setTimeout(() => response.writeHead(204).end(), 1_000),
  );
  sink.listen(0, '127.0.0.1');
  let server = await ServerProcess.start({ ...env, LOG_LEVEL: 'error' });
  const report: AttackReport = {};
  try {
    const target = await prepare(server, client, (sink.address() as AddressInfo).port);
    const victim = await createKey(server, 'victim');
    const { id } = await call(server, 'POST', RECORDS, victim, recordOf('victim', { n: 1 }));
    const { names, embeddedNames } = attacksNamed(pattern);
    for (const name of names) {
      await server.stop('SIGKILL');
      server = await ServerProcess.start({ ...env, LOG_LEVEL: 'error' });
      report[name] = await withLock(LOCKED.test(name) ? postgres.url : undefined, () =>
        attack(server, name, { ...target, port: server.port }, { key: victim, id }, seconds),
      );
    }
    for (const name of embeddedNames)
      report[`${EMBEDDED}${name}`] = await attackEmbedded(sink.address() as AddressInfo, name, seconds);
  } finally {
    await server.stop('SIGKILL');
    sink.closeAllConnections();
    sink.close();
  }
  return report;
}

async function attackEmbedded({ port }: AddressInfo, name: string, seconds: number): Promise<AttackResult> {
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
  const server = await ServerProcess.start({
    DATA_DIR: directory,
    ADMIN_API_KEY: ADMIN_KEY,
    WEBHOOK_ALLOW_PRIVATE: 'true',
    LOG_LEVEL: 'error',
  });
  try {
    const target = await prepare(server, undefined, port);
    const victim = await createKey(server, 'victim');
    const { id } = await call(server, 'POST', RECORDS, victim, recordOf('victim', { n: 1 }));
    // initdb in the first process has taken memory that is not given back.
    await server.stop();
    await server.start();
    return await attack(server, name, { ...target, port: server.port }, { key: victim, id }, seconds);
  } finally {
    await server.stop('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
}

async function withLock<T>(url: string | undefined, work: () => Promise<T>): Promise<T> {
  if (url === undefined) return work();
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query(`SELECT FROM feeds WHERE developer_id = 'hostile-1' FOR UPDATE`);
    return await work();
  } finally {
    await client.end();
  }
}

async function attack(
  server: ServerProcess,
  name: string,
  target: Target,
  victim: { key: string; id: string },
  seconds: number,
): Promise<AttackResult> {
  await measure(server, victim, 1);
  const alone = await measure(server, victim, seconds);
  let highest = 0;
  let stopSampling = () => {};
  const program = fileURLToPath(new URL('./attacker.ts', import.meta.url));
  const options = JSON.stringify({ target, name });
  const attacker = spawn(process.execPath, ['--import', 'tsx', program, options], { stdio: 'inherit' });
  try {
    const sampler = setInterval(() => {
      if (!server.hasExited) highest = Math.max(highest, memoryOf(server.pid, 'VmRSS'));
    }, 100);
    stopSampling = () => clearInterval(sampler);
    // Until the attack is at its height.
    await measure(server, victim, 2);
    const attacked = await measure(server, victim, seconds);
    return { alone, attacked, memory: highest, survived: !server.hasExited };
  } finally {
    stopSampling();
    attacker.kill('SIGKILL');
  }
}

/** A poll, a read, a write and the readiness probe in turn, each 20 ms after the last. */
async function measure(
  server: ServerProcess,
  { key, id }: { key: string; id: string },
  seconds: number,
): Promise<Latency> {
  const authorization = { authorization: `Bearer ${key}` };
  const requests: [string, RequestInit][] = [
    ['/api/v1/sync.json?since=2999-01-01', { headers: authorization }],
    [`${RECORDS}/${id}`, { headers: authorization }],
    ['/health/ready', {}],
  ];
  const times: number[] = [];
  let failed = 0;
  const end = performance.now() + seconds * 1_000;
  for (let n = 0; performance.now() < end; n++) {
    const isWrite = n % 4 === 3;
    const [path, init]: [string, RequestInit] = isWrite
      ? [
          `${RECORDS}/${id}`,
          {
            method: 'PATCH',
            headers: { ...authorization, 'content-type': 'application/json' },
            body: JSON.stringify({ data: { n, at: Date.now() } }),
          },
        ]
      : requests[n % 4];
    const start = performance.now();
    const response = await fetch(server.url + path, { ...init, signal: AbortSignal.timeout(30_000) }).catch(
      () => undefined,
    );
    await response?.text().catch(() => {});
    times.push(performance.now() - start);
    if (response?.status !== 200) failed++;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  times.sort((a, b) => a - b);
  return {
    p95: times[Math.floor(times.length * 0.95)],
    worst: times.at(-1)!,
    requests: times.length,
    failed,
  };
}

/** Hostile developers: 300,000 records, 100 records of 1 MiB, and 62 others. @param client undefined: fewer records */
async function prepare(
  server: ServerProcess,
  client: pg.Client | undefined,
  sinkPort: number,
): Promise<Target> {
  const keys: string[] = [];
  if (client) {
    const [many] = await generateLibraries(client, 'hostile', { developers: 1, items: 300_000, updates: 0 });
    await client.query('VACUUM ANALYZE');
    keys.push(many.key);
  } else keys.push(await createKey(server, 'hostile-1'));
  const bigKey = await createKey(server, 'hostile-big');
  const text = 'x'.repeat(1_000_000);
  for (let n = 0; n < 100; n++)
    await call(server, 'POST', RECORDS, bigKey, recordOf('hostile-big', { text }, `big-${n}`));
  for (let n = 2; n < 64; n++) keys.push(await createKey(server, `hostile-${n}`));
  const redirectUri = 'https://app.example.com/callback';
  const application = await call(server, 'POST', '/api/v1/api-clients', ADMIN_KEY, {
    developerId: 'hostile-1',
    name: 'Hostile',
    redirectUris: [redirectUri],
    scopes: ['sync:read', 'sync:write'],
    public: true,
  });
  const webhook = await call(server, 'POST', '/api/v1/webhooks', keys[0], {
    clientId: application.id,
    url: `http://127.0.0.1:${sinkPort}/`,
  });
  const authorization = new URLSearchParams({
    client_id: application.id,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'sync:read',
    code_challenge: 'x'.repeat(43),
    code_challenge_method: 'S256',
  });
  return {
    port: server.port,
    keys,
    bigKeys: [bigKey],
    webhookPath: `/api/v1/webhooks/${webhook.id}/test`,
    authorization: String(authorization),
  };
}

const recordOf = (developerId: string, data: object, resourceKey = 'key') => ({
  developerId,
  resourceType: 'ROUTE',
  resourceKey,
  data,
});

const createKey = async (server: ServerProcess, developerId: string): Promise<string> =>
  (
    await call(server, 'POST', '/api/v1/api-keys', ADMIN_KEY, {
      developerId,
      scopes: ['sync:read', 'sync:write'],
    })
  ).key;

async function call(
  server: ServerProcess,
  method: string,
  path: string,
  key: string,
  body: object,
): Promise<Record<string, string>> {
  const response = await fetch(server.url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (response.status !== 201) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json() as Promise<Record<string, string>>;
}

export const attacksTable = (report: AttackReport) =>
  Object.fromEntries(
    Object.entries(report).map(([name, { alone, attacked, memory, survived }]) => [
      name,
      {
        'p95 alone': alone.p95.toFixed(1),
        'p95 attacked': attacked.p95.toFixed(1),
        ratio: (attacked.p95 / alone.p95).toFixed(1),
        worst: attacked.worst.toFixed(0),
        failed: `${attacked.failed} of ${attacked.requests}`,
        'memory, MiB': survived ? memory.toFixed(0) : 'died',
      },
    ]),
  );
