import { randomBytes } from 'node:crypto';
import { Agent, type IncomingMessage, request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';

/*
 * Attacks on a running server: each starts, and goes on until its process is killed (attacker.ts).
 */

export interface Target {
  port: number;
  /** Of hostile developers. The first has a library of many records and one of large ones. */
  keys: string[];
  bigKeys: string[];
  /** Webhook of the first hostile developer. */
  webhookPath: string;
  /** `client_id` and `redirect_uri` of an application. */
  authorization: string;
}

/** Of the attackers: not that of the other developer. */
const ADDRESS = '127.0.0.2';

const MIB = 1_024 * 1_024;
let port: number;
const agent = new Agent({ keepAlive: true, maxSockets: Infinity });

interface Request {
  method?: string;
  path: string;
  key?: string;
  body?: string | Buffer;
  headers?: Record<string, string>;
}

/** Sends a request and drops the body of the answer. @returns undefined for a failure: the attacker's own */
function send({
  method = 'GET',
  path,
  key,
  body,
  headers = {},
}: Request): Promise<IncomingMessage | undefined> {
  return new Promise((resolve) => {
    const request = httpRequest({
      agent,
      host: '127.0.0.1',
      localAddress: ADDRESS,
      port,
      method,
      path,
      headers: {
        ...(key && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        }),
        ...headers,
      },
    });
    request
      .on('error', () => resolve(undefined))
      .on('response', (response) => {
        response
          .on('error', () => {})
          .on('close', () => resolve(response))
          .resume();
      });
    request.end(body);
  });
}

/** So many requests at a time, one after the other. */
function flood(parallel: number, next: (n: number) => Request): void {
  let n = 0;
  const run = async () => {
    for (;;) await send(next(n++));
  };
  for (let i = 0; i < parallel; i++) void run();
}

/** Begins logins at the pages, and then sends wrong passwords for another developer, one after the other. */
async function logIn(authorization: string): Promise<void> {
  const begun = await send({ path: `/oauth/authorize?${authorization}&state=x` });
  const path = begun?.headers.location?.replace(/^https?:\/\/[^/]+/, '');
  if (path === undefined) return;
  const cookie = (begun?.headers['set-cookie'] ?? []).map((text) => text.split(';')[0]).join('; ');
  const headers = {
    cookie,
    origin: `http://127.0.0.1:${port}`,
    'content-type': 'application/x-www-form-urlencoded',
  };
  for (let n = 0; n < 50; n++) {
    const body = `action=login&account=victim&password=wrong-password-${n}`;
    await send({ method: 'POST', path, body, headers });
  }
}

/** So many connections that send this, and do not read; opened again when they are closed. */
function hold(
  connections: number,
  text: (n: number) => string | Buffer,
  read?: (socket: Socket) => void,
): void {
  const open = (n: number) => {
    const socket = connect({ host: '127.0.0.1', localAddress: ADDRESS, port });
    socket.pause();
    socket.on('error', () => {}).on('close', () => setTimeout(() => open(n), 200));
    socket.write(text(n));
    read?.(socket);
  };
  for (let n = 0; n < connections; n++) open(n);
}

/** Reads some 1 kB/s. */
function readSlowly(socket: Socket): void {
  const timer = setInterval(() => socket.read(1_024), 1_000);
  socket.on('close', () => clearInterval(timer));
}

const get = (path: string, key: string | undefined) =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\n${key === undefined ? '' : `Authorization: Bearer ${key}\r\n`}\r\n`;

const RECORDS = '/api/v1/sync/records';
const FILTERS = [
  'status=ERROR',
  'status=ACTIVE&page=2900',
  'resourceType=ROUTE&page=2900',
  'resourceType=NONE',
];
const FULL_SYNC = '/api/v1/sync.json?since=1970-01-01T00:00:00Z';
const MANY_MEMBERS = `{${Array.from({ length: 90_000 }, (_, i) => `"k${i}":0`).join()}}`;

const post = (n: number, key: string | undefined): Request => ({
  method: 'POST',
  path: RECORDS,
  key,
  body: JSON.stringify({
    developerId: 'hostile-1',
    resourceType: 'NOISE',
    resourceKey: `${n}-${randomBytes(8).toString('hex')}`,
    data: { n },
  }),
});

/** The attacks by name. */
export function attacksOf(target: Target): Record<string, () => void> {
  port = target.port;
  const [key] = target.keys;
  const [bigKey] = target.bigKeys;
  const attacks: Record<string, () => void> = {
    'bodies of 90,000 members, no key': () =>
      flood(8, () => ({ method: 'POST', path: RECORDS, body: MANY_MEMBERS })),
    '1,100 silent connections': () => hold(1_100, () => ''),
    '600 bodies of 1 MiB less one byte, no key': () =>
      hold(600, () =>
        Buffer.concat([
          Buffer.from(
            `POST ${RECORDS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${MIB}\r\n\r\n`,
          ),
          Buffer.alloc(MIB - 1, 0x20),
        ]),
      ),
    '12 lists of 100 records of 1 MiB': () =>
      flood(12, () => ({ path: `${RECORDS}?limit=100`, key: bigKey })),
    '64 lists of 100 records of 1 MiB, not read': () => hold(64, () => get(`${RECORDS}?limit=100`, bigKey)),
    '64 deep pages of 300,000 records': () =>
      flood(64, (n) => ({ path: `${RECORDS}?limit=100&page=${2_900 + (n % 100)}`, key })),
    '64 filtered pages of 300,000 records': () =>
      flood(64, (n) => ({
        path: `${RECORDS}?limit=100&${FILTERS[n % FILTERS.length]}`,
        key,
      })),
    '64 digests of 300,000 records': () =>
      flood(64, () => ({ path: `${FULL_SYNC}&limit=1&digest=true`, key })),
    '500 full syncs, not read': () => hold(500, () => get(FULL_SYNC, key)),
    '200 full syncs, read at 1 kB/s': () => hold(200, () => get(FULL_SYNC, key), readSlowly),
    '500 OpenAPI documents, not read, no key': () => hold(500, () => get('/docs-json', undefined).repeat(20)),
    'wrong keys on 64 connections': () =>
      flood(64, () => ({ path: RECORDS, key: `tdm_${randomBytes(32).toString('base64url')}` })),
    '300 writes at a time': () => flood(300, (n) => post(n, key)),
    '300 writes at a time to a locked library': () => flood(300, (n) => post(n, key)),
    '600 webhook tests': () =>
      flood(600, () => ({ method: 'POST', path: target.webhookPath, key, body: '' })),
    'authorization requests on 64 connections': () =>
      flood(64, (n) => ({ path: `/oauth/authorize?${target.authorization}&state=${n}` })),
    'wrong logins on 32 connections': () => {
      const run = async () => {
        for (;;) await logIn(target.authorization);
      };
      for (let i = 0; i < 32; i++) void run();
    },
  };
  const all = () => {
    for (const start of Object.values(attacks)) start();
    for (const each of target.keys) hold(8, () => get(FULL_SYNC, each));
    for (const each of target.bigKeys) hold(8, () => get(`${RECORDS}?limit=100`, each));
    target.keys.forEach((each) => flood(4, (n) => post(n, each)));
  };
  return { ...attacks, 'all of them, by 64 developers': all };
}
