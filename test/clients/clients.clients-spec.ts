import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { RECORDS } from '../support/api.js';
import { authorization, authorize, Browser, pkce } from '../support/oauth.js';
import { Receiver } from '../support/receiver.js';
import { ADMIN_KEY, freePort, startApp, type TestApp } from '../support/server.js';
import { until } from '../support/until.js';
import type { Environment } from './environment.js';

/*
 * The document, as programs that know nothing else of this server read it: two generators of clients and
 * validators, and a proxy that compares each request and each answer with the document.
 */

const DIRECTORY = import.meta.dirname;
const GENERATED = join(DIRECTORY, 'generated');
const HEY_API = 'node_modules/@hey-api/openapi-ts/bin/run.js';
const ORVAL = 'node_modules/orval/dist/bin/orval.js';
const PRISM = 'node_modules/@stoplight/prism-cli/dist/index.js';
const TSC = 'node_modules/typescript/bin/tsc';

/** Runs a program of test/clients/node_modules. @throws Error with its output if it fails */
const run = (...args: string[]) => promisify(execFile)(process.execPath, args, { cwd: DIRECTORY });

/** Generated code has no types before it is generated. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
const load = (path: string): Promise<any> => import(join(DIRECTORY, path));

interface Schema {
  safeParse: (value: unknown) => { success: boolean; error?: unknown };
}

interface Exchange {
  operationId: string;
  status: number;
  body: unknown;
  violations: { location: string[]; message: string }[];
}

let app: TestApp;
let receiver: Receiver;
let prism: ChildProcess;
let proxyUrl: string;
let orval: Record<string, Schema>;
/** By method and pattern of the URL; the ones with few parameters come first. */
let operations: { operationId: string; method: string; pattern: RegExp }[];

beforeAll(async () => {
  app = await startApp({ WEBHOOK_ALLOW_PRIVATE: 'true' });
  receiver = await Receiver.start();
  const { body: document } = await app.admin.get('/docs-json');
  operations = Object.entries<Record<string, { operationId: string }>>(document.paths)
    .sort(([a], [b]) => a.split('{').length - b.split('{').length)
    .flatMap(([path, methods]) => {
      const pattern = new RegExp(`^${path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`);
      return Object.entries(methods).map(([method, { operationId }]) => ({ operationId, method, pattern }));
    });

  rmSync(GENERATED, { recursive: true, force: true });
  mkdirSync(GENERATED);
  const file = join(GENERATED, 'openapi.json');
  writeFileSync(file, JSON.stringify(document));
  await run(HEY_API, '-f', 'hey-api.config.mjs');
  await run(ORVAL, '--config', 'orval.config.mjs');
  orval = await load('generated/orval/schemas.ts');

  const port = await freePort();
  proxyUrl = `http://127.0.0.1:${port}`;
  const args = [PRISM, 'proxy', file, app.url, '--port', String(port), '--host', '127.0.0.1'];
  prism = spawn(process.execPath, args, { cwd: DIRECTORY, stdio: 'ignore' });
  await until(async () => (await fetch(`${proxyUrl}/health/live`).catch(() => undefined))?.ok === true);
});
afterAll(async () => {
  prism?.kill();
  await receiver?.close();
  await app?.close();
});

/** `fetch` through the proxy, which notes what it finds. */
function recorder() {
  const exchanges: Exchange[] = [];
  const record: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    const response = await fetch(request);
    const { pathname } = new URL(request.url);
    const operation = operations.find(
      ({ method, pattern }) => method === request.method.toLowerCase() && pattern.test(pathname),
    );
    const text = await response.clone().text();
    exchanges.push({
      operationId: operation?.operationId ?? `${request.method} ${pathname}`,
      status: response.status,
      body: response.headers.get('content-type')?.startsWith('application/json') ? JSON.parse(text) : text,
      violations: JSON.parse(response.headers.get('sl-violations') ?? '[]'),
    });
    return response;
  };
  return { exchanges, record };
}

/** The schema that orval makes of an answer; undefined: it has no body. */
const schemaOf = ({ operationId, status }: Pick<Exchange, 'operationId' | 'status'>): Schema | undefined => {
  const name = operationId.replace(/_(.)/, (_all, letter: string) => letter.toUpperCase());
  return orval[`${name[0].toLowerCase()}${name.slice(1)}${status}Response`];
};

/** Bodies that orval's validator refuses, with the reason. */
const refused = (exchanges: Exchange[]) =>
  exchanges.flatMap((exchange) => {
    const schema = schemaOf(exchange);
    // A page, nothing, or another JSON type (the keys), of which orval makes no schema.
    if (!schema) return typeof exchange.body === 'string' ? [] : [{ ...exchange, error: 'no schema' }];
    const { success, error } = schema.safeParse(exchange.body);
    return success ? [] : [{ ...exchange, error }];
  });

const contradictions = (exchanges: Exchange[]) => exchanges.filter(({ violations }) => violations.length > 0);

it('generated clients type-check, and so does a program that uses one', async () => {
  const failure = await run(TSC, '-p', 'typed').catch(({ stdout }: { stdout: string }) => stdout);
  expect(failure).toEqual({ stdout: '', stderr: '' });
});

describe('a tour of every operation with a generated client', () => {
  const { exchanges, record } = recorder();

  it('gets answers that its own validators accept', async () => {
    const { tour } = await load('typed/tour.ts');
    const environment: Environment = {
      url: proxyUrl,
      serverUrl: app.url,
      adminKey: ADMIN_KEY,
      receiverUrl: receiver.url,
      fetch: record,
      until,
      trust: (secret) => void receiver.secrets.push(secret),
      authorize: async (id, redirectUri, developerId) => {
        const { verifier, challenge } = pkce();
        const scope = 'openid sync:read sync:write';
        const parameters = authorization({ id, redirectUri, secret: null }, challenge, { scope });
        const end = await authorize(new Browser(app.url), parameters, developerId);
        return { code: end.searchParams.get('code')!, verifier };
      },
    };
    await tour(environment);
  });

  it('leaves no operation out', () => {
    const called = new Set(exchanges.map(({ operationId }) => operationId));
    expect([...called].sort()).toEqual(operations.map(({ operationId }) => operationId).sort());
  });

  it('gets answers that the validators of another generator accept', () => {
    expect(refused(exchanges)).toEqual([]);
  });

  it('shows a validating proxy nothing that contradicts the document', () => {
    expect(contradictions(exchanges)).toEqual([]);
  });

  it('would be noticed if an answer lacked a member', () => {
    const synced = exchanges.filter(({ operationId }) => operationId === 'SyncFeed_sync');
    const answered = synced.filter(({ status }) => status === 200);
    expect(answered).not.toEqual([]);
    const wrong = answered.map((exchange) => ({ ...exchange, body: { items: [] } }));
    expect(refused(wrong)).toHaveLength(wrong.length);
  });

  it('has brought webhook messages that the validator of `webhooks` accepts', async () => {
    const { zWebhookChangesWebhookRequest: schema } = await load('generated/hey-api/zod.gen.ts');
    const messages = receiver.received.map(({ text }) => JSON.parse(text));
    expect(messages).toContainEqual({ notifications: [], range: null });
    expect(messages).toContainEqual(expect.objectContaining({ range: expect.anything() }));
    const results = receiver.received.map(({ text, headers }) =>
      (schema as Schema).safeParse({ body: JSON.parse(text), headers }),
    );
    expect(results.filter(({ success }) => !success)).toEqual([]);
  });
});

describe('errors', () => {
  const { exchanges, record } = recorder();
  const NONE = '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d';
  const json = { 'content-type': 'application/json' };
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const full = { developerId: 'dev-1', resourceType: 'ROUTE', resourceKey: 'a', data: {} };

  it.each<{ status: number; request: string; headers?: Record<string, string>; body?: unknown }>([
    { status: 400, request: `POST ${RECORDS}`, headers: json, body: { developerId: 'dev-1' } },
    { status: 201, request: `POST ${RECORDS}`, headers: json, body: full },
    { status: 409, request: `POST ${RECORDS}`, headers: json, body: full },
    { status: 415, request: `POST ${RECORDS}`, headers: { 'content-type': 'text/plain' }, body: 'text' },
    { status: 401, request: `GET ${RECORDS}`, headers: { authorization: 'Bearer tdm_unknown' } },
    { status: 403, request: 'GET /api/v1/api-clients' },
    { status: 400, request: `GET ${RECORDS}?limit=1000` },
    { status: 404, request: `GET ${RECORDS}/${NONE}` },
    { status: 400, request: 'GET /api/v1/sync.json?since=yesterday' },
    { status: 422, request: 'GET /api/v1/sync.json' },
    { status: 404, request: 'GET /api/v1/routes/999999.json' },
    { status: 404, request: 'DELETE /api/v1/grants/none' },
    { status: 404, request: `GET /api/v1/webhooks/${NONE}` },
    { status: 400, request: 'POST /api/v1/webhooks', headers: json, body: { clientId: NONE } },
    { status: 400, request: 'POST /oauth/token', headers: form, body: 'grant_type=nonsense' },
    {
      status: 401,
      request: 'POST /oauth/token',
      headers: form,
      body: `grant_type=client_credentials&client_id=${NONE}&client_secret=x`,
    },
    {
      status: 401,
      request: 'POST /oauth/introspect',
      headers: form,
      body: `token=x&client_id=${NONE}&client_secret=x`,
    },
    {
      status: 400,
      request: `GET /oauth/authorize?client_id=${NONE}&redirect_uri=https://x.example/&response_type=code`,
    },
  ])('$status: $request', async ({ status, request, headers, body }) => {
    const [method, path] = request.split(' ');
    const { key } = await app.developer('dev-1');
    // The endpoints of OAuth have other credentials, in the body.
    const authenticated: Record<string, string> = path.startsWith('/oauth/')
      ? {}
      : { authorization: `Bearer ${key}` };
    const response = await record(proxyUrl + path, {
      method,
      headers: { ...authenticated, ...headers },
      body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
    });
    expect(response.status).toBe(status);
    const exchange = exchanges.at(-1)!;
    // The request may be wrong. The answer must not be.
    expect(exchange.violations.filter(({ location }) => location[0] === 'response')).toEqual([]);
    if (typeof exchange.body === 'object') expect(refused([exchange])).toEqual([]);
  });

  it('are those of requests that the proxy finds wrong, too', () => {
    const found = contradictions(exchanges).map(({ operationId, status }) => `${status} ${operationId}`);
    expect(found).toEqual(
      expect.arrayContaining(['400 Records_create', '422 SyncFeed_sync', '400 OAuth_token']),
    );
  });
});
