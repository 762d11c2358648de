import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Api } from './support/api.js';
import { createDatabase, runSql, type TestDatabase } from './support/database.js';
import { ServerProcess } from './support/server.js';

const [one, two, other] = Array.from({ length: 3 }, () => randomBytes(32).toString('base64'));

const servers: ServerProcess[] = [];
afterEach(async () => void (await Promise.all(servers.splice(0).map((server) => server.stop('SIGKILL')))));

async function start(env: Record<string, string>): Promise<ServerProcess> {
  const server = await ServerProcess.start({ WEBHOOK_ALLOW_PRIVATE: 'true', ...env });
  servers.push(server);
  return server;
}

async function startInVain(env: Record<string, string>): Promise<string> {
  const server = await ServerProcess.spawn(env);
  servers.push(server);
  expect((await server.exited).code).toBe(1);
  return server.output;
}

describe('SECRETS_KEY', () => {
  let database: TestDatabase;
  let keyIds: unknown;
  let secret: string;

  beforeAll(async () => {
    database = await createDatabase();
    // The template of the embedded databases has keys that are encrypted with a key of its own.
    const file = join(database.env.DATA_DIR, 'secrets-key');
    const keys = existsSync(file) ? `${one},${readFileSync(file, 'utf8').trim()}` : one;
    const server = await start({ ...database.env, SECRETS_KEY: keys });
    const client = await server.admin.post('/api/v1/api-clients', {
      name: 'App',
      developerId: 'dev-1',
      scopes: ['sync:read'],
    });
    const { body } = await server.admin.post('/api/v1/webhooks', {
      clientId: client.body.id,
      url: 'http://127.0.0.1:9/',
    });
    ({ secret } = body);
    await server.admin.post(`/api/v1/webhooks/${body.id}/secret`, { overlapSeconds: 3_600 });
    keyIds = await kids(server);
    await server.stop();
    return () => database.drop();
  }, 60_000);

  const kids = async ({ url }: ServerProcess) => {
    const { body } = await new Api(url).get('/oauth/jwks');
    return JSON.parse(body).keys.map(({ kid }: { kid: string }) => kid);
  };

  /** Every stored secret. */
  const stored = async (): Promise<string[]> => {
    const rows = await runSql<{ text: string }>(
      database,
      `SELECT jwk AS text FROM server_keys
       UNION ALL SELECT secret FROM webhook_endpoints
       UNION ALL SELECT previous_secret FROM webhook_endpoints`,
    );
    return rows.map(({ text }) => text);
  };
  const keysOf = async () => new Set((await stored()).map((text) => text.split('.').slice(0, 2).join('.')));

  it('leaves no signing key, cookie key or webhook secret in clear in the database', async () => {
    const texts = await stored();
    expect(texts).toHaveLength(4);
    for (const text of texts) expect(text).toMatch(/^v1\.[\w-]{8}\.[\w-]+$/);
    expect(texts.join()).not.toContain(secret);
  });

  it('a start without the key, or with another one, ends with one line, and changes nothing', async () => {
    const before = await stored();
    const output = await startInVain({ ...database.env, SECRETS_KEY: other });
    expect(output).toMatch(/^Tidemark cannot start: SECRETS_KEY lacks the key [\w-]{8}, [^\n]+\n$/);
    expect(await stored()).toEqual(before);
  });

  it('rotates: the first key of the list encrypts everything anew, and the other one can go', async () => {
    const before = await keysOf();
    const both = await start({ ...database.env, SECRETS_KEY: `${two},${one}` });
    expect(await kids(both)).toEqual(keyIds);
    await both.stop();
    const after = await keysOf();
    expect(after.size).toBe(1);
    expect(after).not.toEqual(before);
    const server = await start({ ...database.env, SECRETS_KEY: two });
    expect(await kids(server)).toEqual(keyIds);
    await server.stop();
    expect(await startInVain({ ...database.env, SECRETS_KEY: one })).toContain('SECRETS_KEY lacks the key');
  });

  it('`clear` first decrypts; what is in clear is encrypted by the next start with a key', async () => {
    const clear = await start({ ...database.env, SECRETS_KEY: `clear,${two}` });
    expect(await kids(clear)).toEqual(keyIds);
    await clear.stop();
    expect((await stored()).filter((text) => text.startsWith('v1.'))).toEqual([]);
    const server = await start({ ...database.env, SECRETS_KEY: one });
    expect(await kids(server)).toEqual(keyIds);
    await server.stop();
    expect((await stored()).filter((text) => !text.startsWith('v1.'))).toEqual([]);
  });

  it('a lost key is overcome as docs/operations.md says', async () => {
    const docs = readFileSync('docs/operations.md', 'utf8');
    const statements = docs.match(/`(DELETE FROM server_keys|UPDATE webhook_endpoints SET [^`]+)`/g)!;
    expect(statements).toHaveLength(2);
    for (const statement of statements) await runSql(database, statement.slice(1, -1).replace(/\s+/g, ' '));
    const server = await start({ ...database.env, SECRETS_KEY: other });
    expect(await kids(server)).not.toEqual(keyIds);
    const { body } = await server.admin.get('/api/v1/webhooks');
    const rotated = await server.admin.post(`/api/v1/webhooks/${body.data[0].id}/secret`, {
      overlapSeconds: 0,
    });
    expect(rotated.status).toBe(201);
    await server.stop();
  }, 30_000);

  it('a secret that was moved from another column is refused', async () => {
    await runSql(database, `UPDATE webhook_endpoints SET secret = (SELECT jwk FROM server_keys LIMIT 1)`);
    const output = await startInVain({ ...database.env, SECRETS_KEY: `${two},${other}` });
    expect(output).toContain('webhook_endpoints.secret has a secret that was not encrypted for it');
  });
});

describe('an embedded server without SECRETS_KEY and ADMIN_API_KEY', () => {
  it('makes both, in files that only its user can read, and refuses files that others can read', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
    const env = { DATA_DIR: directory, ADMIN_API_KEY: '', SECRETS_KEY: '' };
    const server = await start(env);
    const files = ['admin-api-key', 'secrets-key'].map((name) => join(directory, name));
    for (const file of files) {
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(server.output).not.toContain(readFileSync(file, 'utf8').trim());
    }
    const key = readFileSync(files[0], 'utf8').trim();
    expect((await new Api(server.url, key).get('/api/v1/api-keys')).status).toBe(200);
    await server.stop();
    for (const file of files) {
      chmodSync(file, 0o640);
      expect(await startInVain(env)).toBe(
        `Tidemark cannot start: ${file} can be read by other users of this machine: chmod 600 '${file}'\n`,
      );
      chmodSync(file, 0o600);
    }
  }, 60_000);
});
