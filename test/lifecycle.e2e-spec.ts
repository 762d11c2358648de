import { afterEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Api, RECORDS } from './support/api.js';
import { createDatabase } from './support/database.js';
import { createDeveloper, ServerProcess } from './support/server.js';
import { expectExactCopy, SyncClient } from './support/sync-client.js';
import { until } from './support/until.js';

const processes: ServerProcess[] = [];
const directories: string[] = [];

/** A server on an embedded database, ended and removed after the test. */
async function start(DATA_DIR: string, env: Record<string, string> = {}): Promise<ServerProcess> {
  const server = await ServerProcess.spawn({ DATA_DIR, ...env });
  processes.push(server);
  await server.ready();
  return server;
}

/** A server that is told to stop takes no new connections. */
const untilNobodyIsLetIn = ({ url }: ServerProcess) =>
  until(() =>
    fetch(`${url}/health/live`).then(
      () => false,
      () => true,
    ),
  );

/** A directory that does not exist yet. */
function freshDirectory(): string {
  const directory = join(process.env.TEST_DIRECTORY!, `fresh-${randomBytes(6).toString('hex')}`);
  directories.push(directory);
  return directory;
}

afterEach(async () => {
  await Promise.all(processes.splice(0).map((server) => server.stop('SIGKILL')));
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

describe('an embedded server', () => {
  it('tells on its first start where everything is, with a curl that works when pasted; the key only once', async () => {
    const directory = freshDirectory();
    const first = await start(directory, { ADMIN_API_KEY: '' });
    const keyFile = join(directory, 'admin-api-key');
    const key = readFileSync(keyFile, 'utf8').trim();
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    await until(() => first.output.includes('curl'));
    expect(first.output).toContain(first.url);
    expect(first.output).toContain(`${first.url}/docs`);
    expect(first.output).toContain(key);
    expect(first.output).toContain(keyFile);
    const curl = first.output.slice(first.output.indexOf('curl')).split('\n\n')[0];
    const answer = JSON.parse(
      execFileSync('bash', ['-c', curl], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
    );
    expect(answer).toMatchObject({ resourceKey: 'hello', status: 'ACTIVE' });
    expect((await first.stop()).code).toBe(0);

    const second = await start(directory, { ADMIN_API_KEY: '' });
    await until(() => second.output.includes('Admin key'));
    expect(second.output).not.toContain(key);
    expect(second.output).toContain(keyFile);
    expect((await new Api(second.url, key).get(`${RECORDS}/${answer.id}`)).body).toEqual(answer);
  });

  it('refuses a directory that another process uses, in one line', async () => {
    const { env } = await createDatabase({ embedded: true });
    const first = await start(env.DATA_DIR);
    const second = await ServerProcess.spawn({ DATA_DIR: env.DATA_DIR });
    expect((await second.exited).code).toBe(1);
    expect(second.output).toBe(
      `Tidemark cannot start: DATA_DIR ${env.DATA_DIR} is in use by another process\n`,
    );
    expect((await first.admin.get(RECORDS)).status).toBe(200);
  });

  it('has every acknowledged write after kill -9 under load, again and again', async () => {
    const { env } = await createDatabase({ embedded: true });
    const acknowledged = new Map<string, string>();
    let server = await start(env.DATA_DIR);
    let api = await createDeveloper(server.url, 'dev-1');
    const follower = new SyncClient(api);
    for (let round = 0; round < 3; round++) {
      const goal = acknowledged.size + 60;
      const writers = ['a', 'b', 'c', 'd'].map(async (name) => {
        for (let n = 0; ; n++) {
          const input = {
            developerId: 'dev-1',
            resourceType: 'ROUTE',
            resourceKey: `${round}-${name}-${n}`,
            data: { n },
          };
          const created = await api.post(RECORDS, input).catch(() => undefined);
          if (created === undefined) return;
          expect(created.status).toBe(201);
          acknowledged.set(created.body.id, created.body.updatedAt);
          if (n % 3 > 0) continue;
          const patched = await api
            .patch(`${RECORDS}/${created.body.id}`, { data: { n: -n } })
            .catch(() => undefined);
          // Without an answer, the write may or may not have happened.
          if (patched?.status !== 200) return void acknowledged.delete(created.body.id);
          acknowledged.set(created.body.id, patched.body.updatedAt);
        }
      });
      // Should the writers end by themselves, then by a failure that is to be seen.
      await Promise.race([until(() => acknowledged.size >= goal), Promise.all(writers)]);
      await server.stop('SIGKILL');
      await Promise.all(writers);
      server = await start(env.DATA_DIR);
      api = api.at(server.url);
      follower.moveTo(api);
      await follower.catchUp();
      await expectExactCopy(follower, api, 'dev-1');
      for (const [id, updatedAt] of acknowledged) {
        expect((await api.get(`${RECORDS}/${id}`)).body).toMatchObject({ id, updatedAt });
      }
    }
  });
});

describe('SIGTERM', () => {
  it('lets running requests finish, closes the database and exits with 0', async () => {
    const { env } = await createDatabase({ embedded: true });
    const server = await start(env.DATA_DIR);
    const api = await createDeveloper(server.url, 'dev-1');
    const answers: Promise<{ status: number; body: { id: string } } | undefined>[] = [];
    let isOver = false;
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let n = 0; !isOver; n++) {
        const input = {
          developerId: 'dev-1',
          resourceType: 'ROUTE',
          resourceKey: `${writer}-${n}`,
          data: {},
        };
        const answer = api.post(RECORDS, input).catch(() => undefined);
        answers.push(answer);
        if ((await answer) === undefined) return;
      }
    });
    await until(() => answers.length > 40);
    const { code, signal } = await server.stop('SIGTERM');
    isOver = true;
    await Promise.all(writers);
    expect({ code, signal }).toEqual({ code: 0, signal: null });
    // Whoever got an answer got a good one: nobody was cut off in the middle of a write.
    const given = (await Promise.all(answers)).filter((answer) => answer !== undefined);
    expect(new Set(given.map(({ status }) => status))).toEqual(new Set([201]));

    const next = await start(env.DATA_DIR);
    for (const { body } of given)
      expect((await api.at(next.url).get(`${RECORDS}/${body.id}`)).status).toBe(200);
  });
});

it('a server that is told to stop, twice, answers the request that it has, and does not wait for clients to hang up', async () => {
  const { env } = await createDatabase({ embedded: true });
  const server = await start(env.DATA_DIR, { SHUTDOWN_TIMEOUT: '600' });
  const { key } = await createDeveloper(server.url, 'dev-1');
  const body = JSON.stringify({ developerId: 'dev-1', resourceType: 'ROUTE', resourceKey: 'k', data: {} });
  const { hostname, port } = new URL(server.url);
  // A browser keeps one for its next request.
  await once(
    connect(Number(port), hostname).on('error', () => {}),
    'connect',
  );
  const socket = connect(Number(port), hostname);
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  socket.write(
    `POST ${RECORDS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`,
  );
  await until(() => answer.includes('100 Continue'));
  const stopped = server.stop('SIGTERM');
  // As when npm passes on what the terminal has sent to all.
  void server.stop('SIGINT');
  await untilNobodyIsLetIn(server);
  const closed = once(socket, 'close');
  socket.write(body);
  expect(await stopped).toEqual({ code: 0, signal: null });
  await closed;
  expect(answer).toContain('HTTP/1.1 201');
  // Short of the 72 s after which any server closes a connection that nobody uses.
}, 60_000);

describe('an answer of 18 MB that is being read', () => {
  /** Begins to read, and waits until the test says `resume`. */
  async function begin() {
    const { env } = await createDatabase({ embedded: true });
    const server = await start(env.DATA_DIR, { SHUTDOWN_TIMEOUT: '600' });
    const api = await createDeveloper(server.url, 'dev-1');
    for (let n = 0; n < 20; n++) {
      const input = { developerId: 'dev-1', resourceType: 'ROUTE', resourceKey: `${n}`, data: {} };
      await api.create({ ...input, data: { text: 'x'.repeat(900_000) } });
    }
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    const closed = once(socket, 'close');
    socket.write(
      `GET ${RECORDS}?developerId=dev-1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${api.key}\r\n\r\n`,
    );
    await until(() => chunks.length > 0);
    socket.pause();
    const read = async () => {
      socket.resume();
      await closed;
      return Buffer.concat(chunks).toString('latin1');
    };
    return { server, socket, read };
  }

  it('comes whole when the server is told to stop', async () => {
    const { server, read } = await begin();
    const stopped = server.stop('SIGTERM');
    await untilNobodyIsLetIn(server);
    const text = await read();
    const [head, body] = text.split('\r\n\r\n');
    expect(body).toHaveLength(Number(/content-length: (\d+)/i.exec(head)![1]));
    expect(await stopped).toEqual({ code: 0, signal: null });
  }, 60_000);

  it('has nothing in it of what the server says of the garbage that comes meanwhile', async () => {
    const { socket, read } = await begin();
    socket.write('no HTTP\r\n\r\n');
    const text = await read();
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
    expect(text.slice(1)).not.toContain('HTTP/1.1');
  }, 60_000);
});

it('npm start hands SIGTERM on to the server: a clean end, exit code 0, nothing left running', async () => {
  const { env } = await createDatabase({ embedded: true });
  const server = await ServerProcess.spawn({ DATA_DIR: env.DATA_DIR }, ['npm', 'start']);
  processes.push(server);
  await server.ready();
  expect(await server.stop('SIGTERM')).toEqual({ code: 0, signal: null });
  await expect(fetch(`${server.url}/health/live`)).rejects.toThrow('fetch failed');
  await start(env.DATA_DIR);
});

describe('a start that cannot work', () => {
  it.each([
    ['a bad setting', { PORT: 'many' }, /^Tidemark cannot start: Bad configuration: PORT [^\n]*\n$/],
    [
      'no database server',
      { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' },
      /^Tidemark cannot start: The database of DATABASE_URL cannot be used: [^\n]*ECONNREFUSED[^\n]*\n$/,
    ],
  ])('ends with 1 and one clear line: %s', async (_name, env, line) => {
    const server = await ServerProcess.spawn({
      DATA_DIR: freshDirectory(),
      ...(env as Record<string, string>),
    });
    expect((await server.exited).code).toBe(1);
    expect(server.output).toMatch(line);
  });

  it('ends with 1 and one clear line: a port that is taken', async () => {
    const { env } = await createDatabase({ embedded: true });
    const first = await start(env.DATA_DIR);
    const second = await ServerProcess.spawn({ DATA_DIR: freshDirectory(), PORT: new URL(first.url).port });
    expect((await second.exited).code).toBe(1);
    expect(second.output).toMatch(/^Tidemark cannot start: [^\n]*EADDRINUSE[^\n]*\n$/);
  });
});
