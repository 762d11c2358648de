import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type GenerateKeyPairResult,
  importJWK,
  type JWK,
  SignJWT,
} from 'jose';
import { KeyObject, sign as signText } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Api, RECORDS } from './support/api.js';
import { createClient } from './support/api-clients.js';
import { expectError } from './support/errors.js';
import { createDatabase, ServerProcess, startApp, type TestApp } from './support/server.js';
import { until } from './support/until.js';

const ISSUER = 'https://issuer.example';
const AUDIENCE = 'tidemark';
/** Longer than the issuer's keys are kept without asking again. */
const COOLDOWN = 31_000;

interface SigningKey extends GenerateKeyPairResult {
  alg: string;
  kid: string;
  jwk: JWK;
}

/** @param extra members of the JWK that an issuer may give or leave out */
async function signingKey(alg: string, kid: string, extra: JWK = {}): Promise<SigningKey> {
  const pair = await generateKeyPair(alg, { extractable: true });
  return { ...pair, alg, kid, jwk: { ...(await exportJWK(pair.publicKey)), kid, ...extra } };
}

/** The JWKS endpoint of the issuer. */
const issuer = {
  keys: [] as JWK[],
  requests: 0,
  /** How it fails just now. */
  fault: undefined as undefined | 'status' | 'no answer' | 'no JSON' | 'no JWKS',
};
const issuerServer = createServer((_request, response) => {
  issuer.requests++;
  if (issuer.fault === 'no answer') response.destroy();
  else if (issuer.fault === 'status') response.writeHead(500).end('out of order');
  else if (issuer.fault === 'no JSON') response.end('<html>');
  else response.end(JSON.stringify(issuer.fault === 'no JWKS' ? {} : { keys: issuer.keys }));
});

let app: TestApp;
let jwksUrl: string;
let rsa: SigningKey;
let rsa2: SigningKey;
let ec: SigningKey;

beforeAll(async () => {
  [rsa, rsa2, ec] = await Promise.all([
    signingKey('RS256', 'rsa', { alg: 'RS256', use: 'sig' }),
    signingKey('RS256', 'rsa-2'),
    signingKey('ES256', 'ec'),
  ]);
  issuer.keys = [rsa.jwk, rsa2.jwk, ec.jwk];
  await new Promise<void>((resolve) => issuerServer.listen(0, '127.0.0.1', resolve));
  const { port } = issuerServer.address() as AddressInfo;
  jwksUrl = `http://127.0.0.1:${port}/jwks.json`;
  app = await startApp({
    JWT_JWKS_URL: jwksUrl,
    JWT_ISSUER: ISSUER,
    JWT_AUDIENCE: AUDIENCE,
    WEBHOOK_ALLOW_PRIVATE: 'true',
  });
});
afterAll(async () => {
  await app.close();
  await new Promise((resolve) => issuerServer.close(resolve));
});

const now = () => Math.floor(Date.now() / 1000);

/** Claims that are good; undefined leaves one out. */
const claimsOf = (extra: Record<string, unknown> = {}) => ({
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'dev-jwt',
  scope: 'sync:read sync:write',
  exp: now() + 300,
  ...extra,
});

function sign(extra: Record<string, unknown> = {}, header: Record<string, unknown> = {}, key = rsa) {
  return new SignJWT(claimsOf(extra))
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'at+jwt', ...header })
    .sign(key.privateKey);
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

const list = (token: string) => new Api(app.url, token).get(RECORDS);

const invalidToken = {
  status: 401,
  body: {
    error: 'Authentication required',
    code: 'invalid_token',
    details: 'The token is invalid or expired.',
  },
};

async function expectRefused(token: string) {
  const answer = await list(token);
  expect({ status: answer.status, body: answer.body }).toEqual(invalidToken);
  expect(answer.headers.get('www-authenticate')).toBe(
    'Bearer realm="tidemark", error="invalid_token", error_description="The token is invalid or expired."',
  );
}

/** Has the server believe that time has passed, while its wall clock has stepped back by an hour. */
async function later(ms: number, check: () => Promise<void>) {
  const real = { passed: performance.now.bind(performance), date: Date.now };
  const clocks = [
    jest.spyOn(performance, 'now').mockImplementation(() => real.passed() + ms),
    jest.spyOn(Date, 'now').mockImplementation(() => real.date() - 3_600_000),
  ];
  await check().finally(() => clocks.forEach((clock) => clock.mockRestore()));
}

// First in the file: the keys have never been loaded.
describe('an issuer whose keys cannot be loaded', () => {
  it.each(['status', 'no answer', 'no JSON', 'no JWKS'] as const)(
    '(%s) is answered with 503',
    async (fault) => {
      issuer.fault = fault;
      const token = await sign();
      const before = issuer.requests;
      await until(async () => {
        const { status, headers, body } = await list(token);
        expect({ status, ...body }).toEqual({
          status: 503,
          error: 'Service unavailable',
          details: 'The keys of the token issuer cannot be loaded.',
          code: 'service_unavailable',
        });
        expect(headers.get('retry-after')).toBe('5');
        return issuer.requests > before;
      });
    },
  );

  it('is asked again: tokens work when it is back', async () => {
    issuer.fault = undefined;
    const token = await sign();
    await until(async () => (await list(token)).status === 200);
  });
});

describe('a token', () => {
  it('is accepted with RS256 and with ES256', async () => {
    expect((await list(await sign())).status).toBe(200);
    expect((await list(await sign({}, {}, ec))).status).toBe(200);
  });

  it('is accepted without kid when only one key can be meant', async () => {
    expect((await list(await sign({}, { kid: undefined }, ec))).status).toBe(200);
  });

  it('is accepted when one of its audiences is this server', async () => {
    expect((await list(await sign({ aud: ['other', AUDIENCE] }))).status).toBe(200);
  });

  it('creates its developer, once, and acts for it alone', async () => {
    const sub = 'dev-first-token';
    const api = new Api(app.url, await sign({ sub }));
    const [first] = await Promise.all([api.get(RECORDS), api.get(RECORDS), api.get(RECORDS)]);
    expect(first).toMatchObject({ status: 200, body: { total: 0 } });
    expect(await app.dataSource.query('SELECT FROM developers WHERE developer_id = $1', [sub])).toHaveLength(
      1,
    );
    const input = { developerId: sub, resourceType: 'ROUTE', resourceKey: 'r', data: {} };
    await api.create(input);
    expect((await api.sync({ since: '1970-01-01' })).body.items).toHaveLength(1);
    expect((await api.post(RECORDS, { ...input, developerId: 'dev-jwt' })).body.code).toBe('forbidden');
  });

  it('shares its developer with the API keys of the same developerId', async () => {
    const dev = await app.developer('dev-both');
    const { id } = await dev.create({
      developerId: 'dev-both',
      resourceType: 'ROUTE',
      resourceKey: 'r',
      data: {},
    });
    expect((await new Api(app.url, await sign({ sub: 'dev-both' })).get(`${RECORDS}/${id}`)).status).toBe(
      200,
    );
  });

  it.each([
    ['255 characters', 'x'.repeat(255)],
    ['255 characters outside the basic plane', '🌊'.repeat(255)],
  ])('may have a sub of %s', async (_name, sub) => {
    expect((await list(await sign({ sub }))).status).toBe(200);
  });

  it.each([
    ['a text', 'profile sync:read', 200],
    ['a list', ['sync:read'], 200],
    ['sync:admin', 'sync:admin', 403],
    ['sync:admin in a list', ['sync:admin'], 403],
    ['missing', undefined, 403],
    ['empty', '', 403],
    ['another one', 'sync:write', 403],
    ['a longer word', 'sync:reader', 403],
    ['an object', { 'sync:read': true }, 403],
    ['a number', 7, 403],
    ['null', null, 403],
  ])('with scope %s (%j): %i on a route for sync:read', async (_name, scope, expected) => {
    const { status, headers } = await list(await sign({ scope }));
    expect(status).toBe(expected);
    expect(headers.get('www-authenticate')).toBe(
      expected === 200 ? null : 'Bearer realm="tidemark", error="insufficient_scope", scope="sync:read"',
    );
  });

  it('does not work under the scheme ApiKey', async () => {
    const token = await sign();
    const { status } = await new Api(app.url).get(RECORDS, { authorization: `ApiKey ${token}` });
    expect(status).toBe(401);
  });

  it.each<[string, () => Promise<string>]>([
    ['from another issuer', () => sign({ iss: 'https://evil.example' })],
    ['without issuer', () => sign({ iss: undefined })],
    ['with a list of issuers', () => sign({ iss: [ISSUER] })],
    ['for another audience', () => sign({ aud: 'other' })],
    ['without audience', () => sign({ aud: undefined })],
    ['that has expired', () => sign({ exp: now() - 1 })],
    ['without exp', () => sign({ exp: undefined })],
    ['that is not valid yet', () => sign({ nbf: now() + 60 })],
    ['without sub', () => sign({ sub: undefined })],
    ['with an empty sub', () => sign({ sub: '' })],
    ['with a sub that is a number', () => sign({ sub: 7 })],
    ['with a sub of 256 characters', () => sign({ sub: 'x'.repeat(256) })],
    ['with a NUL in sub', () => sign({ sub: 'a\0b' })],
    ['with a lone surrogate in sub', () => sign({ sub: 'a\ud800' })],
    ['with a kid that the issuer does not have', () => sign({}, { kid: 'unknown' })],
    ['with a kid that is a path', () => sign({}, { kid: '../../dev/null' })],
    ['without kid where several keys can be meant', () => sign({}, { kid: undefined })],
    ['signed by another key of the issuer', () => sign({}, { kid: 'rsa' }, rsa2)],
    ["with the issuer's kid on a foreign key", async () => sign({}, {}, await signingKey('RS256', 'rsa'))],
    ['with another algorithm of the same key', () => signWith('RS512')],
    ['with PS256', () => signWith('PS256')],
    ['with the type of an ID token', () => sign({}, { typ: 'JWT' })],
    ['without a type', () => sign({}, { typ: undefined })],
    ['with the type of a logout token', () => sign({}, { typ: 'logout+jwt' })],
    [
      'that is bound to a DPoP key',
      () => sign({ cnf: { jkt: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs' } }),
    ],
    ['that is bound to a certificate', () => sign({ cnf: { 'x5t#S256': 'bwcK0esc3ACC3DB2Y5_lESsXE8o' } })],
    ['that an application got for itself', () => sign({ client_id: 'dev-jwt' })],
    ['that an application got for itself, by azp', () => sign({ azp: 'dev-jwt', client_id: 'other' })],
    ['with an unknown critical extension', () => forge({ crit: ['https://evil.example/exp'] })],
    ['with an unencoded payload (RFC 7797)', () => forge({ crit: ['b64'], b64: false })],
    ['with an empty list of critical extensions', () => forge({ crit: [] })],
    ['with a list of kids', () => forge({ kid: ['rsa'] })],
    ['with a kid of the prototype', () => forge({ kid: '__proto__' })],
    ['with a kid that is SQL', () => forge({ kid: "' OR true --" })],
    ['that names its keys by URL', async () => sign({}, { jku: jwksUrl }, await signingKey('RS256', 'rsa'))],
    [
      'that is nested in another one',
      async () => forge({ cty: 'JWT' }, Buffer.from(await sign()).toString('base64url')),
    ],
    ['whose signature is 64 zeros', async () => (await sign({}, {}, ec)).replace(/[^.]*$/, 'A'.repeat(86))],
    [
      'that names this server as its issuer, with a key of another',
      () =>
        sign({ iss: app.url, aud: `${app.url}/api/v1`, client_id: '00000000-0000-7000-8000-000000000001' }),
    ],
    ['whose header says RS256 and names the EC key', () => sign({}, { kid: 'ec' })],
    [
      'that brings its own key',
      async () => {
        const own = await signingKey('RS256', 'own');
        return sign({}, { jwk: own.jwk, jku: 'https://evil.example/jwks.json' }, own);
      },
    ],
    ['whose payload was changed', () => tampered({ sub: 'root' })],
    [
      'whose header was changed',
      async () =>
        `${base64url({ typ: 'at+jwt', alg: 'ES256', kid: 'ec' })}.${(await sign()).split('.').slice(1).join('.')}`,
    ],
    ['whose signature was cut off', async () => (await sign()).replace(/[^.]*$/, '')],
    ['with alg none', async () => `${base64url({ typ: 'at+jwt', alg: 'none' })}.${base64url(claimsOf())}.`],
    [
      'with alg nOnE and a signature',
      async () => `${base64url({ typ: 'at+jwt', alg: 'nOnE', kid: 'rsa' })}.${base64url(claimsOf())}.c2ln`,
    ],
    [
      'with alg none and the kid of a key',
      async () => `${base64url({ typ: 'at+jwt', alg: 'none', kid: 'rsa' })}.${base64url(claimsOf())}.`,
    ],
    ['without alg', async () => `${base64url({ typ: 'at+jwt', kid: 'rsa' })}.${base64url(claimsOf())}.c2ln`],
    [
      'with a list of algorithms',
      async () => `${base64url({ typ: 'at+jwt', alg: ['RS256'], kid: 'rsa' })}.${base64url(claimsOf())}.c2ln`,
    ],
    ['HS256 with the PEM of the public key as secret', async () => hmac(await exportSPKI(rsa.publicKey))],
    ['HS256 with the JWK of the public key as secret', () => hmac(JSON.stringify(rsa.jwk))],
    ['HS256 with the modulus of the public key as secret', () => hmac(Buffer.from(rsa.jwk.n!, 'base64url'))],
    ['whose header is no JSON', async () => `bm8.${base64url(claimsOf())}.c2ln`],
    [
      'whose payload is no JSON',
      async () => `${base64url({ alg: 'RS256', kid: 'rsa', typ: 'at+jwt' })}.bm8.c2ln`,
    ],
    [
      'whose payload is null',
      async () => `${base64url({ typ: 'at+jwt', alg: 'RS256', kid: 'rsa' })}.${base64url(null)}.c2ln`,
    ],
  ])('is refused with 401: %s', async (_name, token) => {
    await expectRefused(await token());
  });

  it('creates no developer when refused', async () => {
    await expectRefused(await sign({ sub: 'dev-refused', iss: 'https://evil.example' }));
    expect(
      await app.dataSource.query(`SELECT FROM developers WHERE developer_id IN ('dev-refused', 'root', '')`),
    ).toHaveLength(0);
  });

  /** With the issuer's own key, which says nothing of its algorithm. */
  async function signWith(alg: string) {
    const key = await importJWK(await exportJWK(rsa2.privateKey), alg);
    return new SignJWT(claimsOf()).setProtectedHeader({ alg, kid: 'rsa-2', typ: 'at+jwt' }).sign(key);
  }

  it('is accepted with a header that the test has written itself', async () => {
    expect((await list(await forge({ cty: 'x', x5u: 'https://evil.example/' }))).status).toBe(200);
  });

  it('in five parts, as if encrypted, is refused with 401', async () => {
    expect((await list(`${await sign()}.AAAA.AAAA`)).status).toBe(401);
  });

  /** Signed with the key of the issuer, with a header that jose would not write. */
  async function forge(header: object, payload = base64url(claimsOf())) {
    const text = `${base64url({ alg: 'RS256', kid: 'rsa', typ: 'at+jwt', ...header })}.${payload}`;
    const key = KeyObject.from(rsa.privateKey);
    return `${text}.${signText('sha256', Buffer.from(text), key).toString('base64url')}`;
  }

  async function tampered(extra: Record<string, unknown>) {
    const [header, , signature] = (await sign()).split('.');
    return [header, base64url(claimsOf(extra)), signature].join('.');
  }

  const hmac = async (secret: string | Buffer) =>
    new SignJWT(claimsOf())
      .setProtectedHeader({ alg: 'HS256', kid: 'rsa', typ: 'at+jwt' })
      .sign(Buffer.from(secret));
});

describe('a token of an application', () => {
  const sub = 'dev-of-application';

  it.each(['client_id', 'azp'])(
    '(%s) acts for its developer, but manages no keys and no grants',
    async (name) => {
      const developer = await app.developer(sub);
      const [{ id }] = (await developer.get('/api/v1/api-keys')).body.data;
      const application = new Api(app.url, await sign({ sub, [name]: 'some-app' }));
      await application.create({ developerId: sub, resourceType: 'ROUTE', resourceKey: name, data: {} });
      const answers = [
        await application.get('/api/v1/api-keys'),
        await application.post(`/api/v1/api-keys/${id}/rotate`, {}),
        await application.delete(`/api/v1/api-keys/${id}`),
        await application.get('/api/v1/grants'),
        await application.delete('/api/v1/grants/some-grant'),
      ];
      for (const answer of answers) expectError(answer, 403, 'forbidden');
      expect((await developer.get('/api/v1/api-keys')).status).toBe(200);
    },
  );

  it('manages no webhooks, which belong to the applications of this server', async () => {
    const { id: clientId } = await createClient(app.admin, { developerId: sub });
    const developer = new Api(app.url, await sign({ sub }));
    const webhook = { clientId, url: 'http://127.0.0.1:9/' };
    const { id } = (await developer.post('/api/v1/webhooks', webhook)).body;
    const application = new Api(app.url, await sign({ sub, client_id: 'some-app' }));
    expect((await developer.get('/api/v1/webhooks')).body.total).toBe(1);
    expect((await application.get('/api/v1/webhooks')).body.total).toBe(0);
    expect((await application.get(`/api/v1/webhooks/${id}`)).status).toBeGreaterThanOrEqual(403);
    expect((await application.post('/api/v1/webhooks', webhook)).status).toBeGreaterThanOrEqual(403);
  });

  it('gets all assets by default, as a token without application', async () => {
    const application = new Api(app.url, await sign({ sub, client_id: 'some-app' }));
    const { meta } = (await application.sync({ since: '1970-01-01' })).body;
    expect(new URL(meta.next_sync_url).searchParams.has('assets')).toBe(false);
  });
});

describe("the issuer's keys", () => {
  it('are asked for once, not for every token, known or not', async () => {
    const before = issuer.requests;
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_value, i) => sign({}, { kid: `unknown-${i}` })),
    );
    await Promise.all(tokens.map(expectRefused));
    for (const token of tokens) await expectRefused(token);
    expect((await list(await sign())).status).toBe(200);
    expect(issuer.requests).toBe(before);
  });

  it('may be rotated: a new one works once they may be asked for again, a removed one no more', async () => {
    const next = await signingKey('ES256', 'next');
    issuer.keys = [next.jwk];
    const token = await sign({}, {}, next);
    await expectRefused(token);
    await later(COOLDOWN, async () => {
      await until(async () => (await list(token)).status === 200);
      await expectRefused(await sign());
    });
    issuer.keys = [rsa.jwk];
    const old = await sign();
    await later(2 * COOLDOWN, () => until(async () => (await list(old)).status === 200));
  });

  it('are asked for at most once a second while the issuer is down; known ones go on working', async () => {
    issuer.fault = 'status';
    const before = issuer.requests;
    const started = performance.now();
    await later(4 * COOLDOWN, async () => {
      for (let i = 0; i < 20; i++)
        expect((await list(await sign({}, { kid: `unknown-${i}` }))).status).toBe(503);
      expect((await list(await sign())).status).toBe(200);
    });
    expect(issuer.requests - before).toBeLessThanOrEqual(1 + (performance.now() - started) / 1_000);
    issuer.fault = undefined;
  });
});

describe('a server with other settings', () => {
  const settings = { JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE };

  it('takes the type that JWT_TYP names, and lets JWT_ALLOW_ADMIN decide about sync:admin', async () => {
    issuer.keys = [rsa.jwk];
    const database = await createDatabase();
    const env = { ...database.env, ...settings, JWT_JWKS_URL: jwksUrl, JWT_ALLOW_ADMIN: 'true' };
    const server = await ServerProcess.start({ ...env, JWT_TYP: 'jwt' });
    try {
      const scope = 'sync:admin';
      const api = async (claims: object, header: Record<string, unknown>) =>
        new Api(server.url, await sign({ sub: 'root', scope, ...claims }, header));
      const admin = await api({}, { typ: 'JWT' });
      expect((await admin.get('/api/v1/api-clients')).status).toBe(200);
      expect((await (await api({}, { typ: 'application/JWT' })).get(RECORDS)).status).toBe(200);
      for (const typ of ['at+jwt', undefined])
        expect((await (await api({}, { typ })).get(RECORDS)).status).toBe(401);
      // An application that is an admin still makes no keys.
      const application = await api({ client_id: 'some-app' }, { typ: 'JWT' });
      expect((await application.get('/api/v1/api-clients')).status).toBe(200);
      const key = { developerId: 'root', scopes: ['sync:read'] };
      expectError(await application.post('/api/v1/api-keys', key), 403, 'forbidden');
      expect((await admin.post('/api/v1/api-keys', key)).status).toBe(201);
    } finally {
      await server.stop();
      await database.drop();
    }
  });

  it('takes any type, and none, with JWT_TYP=*', async () => {
    issuer.keys = [rsa.jwk];
    const database = await createDatabase();
    const env = { ...database.env, ...settings, JWT_JWKS_URL: jwksUrl, JWT_TYP: '*' };
    const server = await ServerProcess.start(env);
    try {
      for (const typ of ['at+jwt', 'JWT', undefined])
        expect((await new Api(server.url, await sign({}, { typ })).get(RECORDS)).status).toBe(200);
      const bound = await sign({ cnf: { jkt: 'x' } }, { typ: undefined });
      expect((await new Api(server.url, bound).get(RECORDS)).status).toBe(401);
    } finally {
      await server.stop();
      await database.drop();
    }
  });
});

describe('a server that starts', () => {
  it.each(['URL', 'file'])('takes many first tokens at once, with the keys in a %s', async (place) => {
    issuer.keys = [rsa.jwk, ec.jwk];
    const before = issuer.requests;
    const database = await createDatabase();
    await mkdir(database.env.DATA_DIR, { recursive: true });
    const file = join(database.env.DATA_DIR, 'jwks.json');
    await writeFile(file, JSON.stringify({ keys: issuer.keys }));
    const server = await ServerProcess.start({
      ...database.env,
      JWT_JWKS_URL: place === 'file' ? pathToFileURL(file).href : jwksUrl,
      JWT_ISSUER: ISSUER,
      JWT_AUDIENCE: AUDIENCE,
    });
    const statusOf = async (token: string) => (await new Api(server.url, token).get(RECORDS)).status;
    try {
      const tokens = await Promise.all(Array.from({ length: 20 }, (_, i) => sign({}, {}, i % 2 ? rsa : ec)));
      expect(new Set(await Promise.all(tokens.map(statusOf)))).toEqual(new Set([200]));
      expect(issuer.requests - before).toBe(place === 'file' ? 0 : 1);
      expect(await statusOf(await sign({}, {}, rsa2))).toBe(401);
    } finally {
      await server.stop();
      await database.drop();
    }
  });
});
