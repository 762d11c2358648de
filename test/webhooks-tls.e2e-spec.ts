import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { createClient } from './support/api-clients.js';
import { createDatabase, ServerProcess, type TestDatabase } from './support/server.js';
import { WEBHOOKS } from './support/webhooks.js';

const read = (name: string) => readFileSync(`test/support/tls/${name}.pem`);
const key = read('localhost.key');
const valid = read('localhost.cert');
const expired = read('expired.cert');
const unknown = read('unknown.cert');

let directory: string;
let database: TestDatabase;
let server: ServerProcess;
let clientId: string;
let receiver: Server;
/** What the receiver has been asked, each with the name that the connection was opened for. */
let requests: [method: string | undefined, host: string | undefined, serverName: unknown][];

/** Certificates are trusted from the start of a process on: it is one of its own, as operators run it. */
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tidemark-tls-'));
  const trusted = join(directory, 'trusted.pem');
  writeFileSync(trusted, Buffer.concat([valid, expired]));
  database = await createDatabase();
  server = await ServerProcess.start({
    ...database.env,
    WEBHOOK_ALLOW_PRIVATE: 'true',
    NODE_EXTRA_CA_CERTS: trusted,
  });
  ({ id: clientId } = await createClient(server.admin, { developerId: 'app-owner' }));
});
afterEach(() => void receiver.close());
afterAll(async () => {
  await server.stop();
  await database.drop();
  await rm(directory, { recursive: true });
});

/** Sends a test to a receiver at this host. */
async function ping(to: Server, host = 'localhost') {
  receiver = to;
  requests = [];
  receiver.on('request', ({ method, headers, socket }, response) => {
    requests.push([method, headers.host, (socket as TLSSocket).servername]);
    response.writeHead(204).end();
  });
  await once(receiver.listen(0, '127.0.0.1'), 'listening');
  const { port } = receiver.address() as AddressInfo;
  const { body } = await server.admin.post(WEBHOOKS, { clientId, url: `https://${host}:${port}/hook` });
  const answer = await server.admin.post(`${WEBHOOKS}/${body.id}/test`, {});
  expect(answer.status).toBe(200);
  const [{ status, error }] = answer.body.attempts;
  return { port, outcome: answer.body.status, status, error };
}

it('a receiver whose certificate is of the name in the URL gets its messages by HTTPS', async () => {
  const { port, ...answer } = await ping(createServer({ key, cert: valid }));
  expect(answer).toEqual({ outcome: 'delivered', status: 204, error: null });
  expect(requests).toEqual([['POST', `localhost:${port}`, 'localhost']]);
});

it.each<[string, () => Server, string, string]>([
  ['of another name', () => createServer({ key, cert: valid }), '127.0.0.1', 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ['that has expired', () => createServer({ key, cert: expired }), 'localhost', 'CERT_HAS_EXPIRED'],
  [
    'that nobody vouches for',
    () => createServer({ key, cert: unknown }),
    'localhost',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
  ],
  ['that is none: plain HTTP', () => createPlainServer() as Server, 'localhost', 'EPROTO'],
])(
  'a receiver with a certificate %s is told nothing, and the log says why',
  async (_what, start, host, error) => {
    const answer = await ping(start(), host);
    expect(answer).toMatchObject({ outcome: 'failed', status: null, error: expect.stringContaining(error) });
    expect(requests).toEqual([]);
  },
);
