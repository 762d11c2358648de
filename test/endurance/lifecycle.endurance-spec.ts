import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Api, RECORDS } from '../support/api.js';
import {
  databaseDirectory,
  endServersAfterEach,
  expectWritesToOutliveKills,
  freshDirectory,
  spawn,
  start,
} from '../support/embedded-server.js';
import { createDeveloper, type ServerProcess } from '../support/server.js';
import { until } from '../support/until.js';

endServersAfterEach();

/** A server that is told to stop takes no new connections. */
const untilNobodyIsLetIn = ({ url }: ServerProcess) =>
  until(() =>
    fetch(`${url}/health/live`).then(
      () => false,
      () => true,
    ),
  );

describe('an embedded server', () => {
  it('tells on its first start where everything is, with a curl that works when pasted; never the key', async () => {
    const directory = freshDirectory();
    const first = await start(directory, { ADMIN_API_KEY: '' });
    const keyFile = join(directory, 'admin-api-key');
    const key = readFileSync(keyFile, 'utf8').trim();
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    await until(() => first.output.includes('curl'));
    expect(first.output).toContain(first.url);
    expect(first.output).toContain(`${first.url}/docs`);
    expect(first.output).not.toContain(key);
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
    const directory = await databaseDirectory();
    const first = await start(directory);
    const second = await spawn({ DATA_DIR: directory });
    expect((await second.exited).code).toBe(1);
    expect(second.output).toBe(`Tidemark cannot start: DATA_DIR ${directory} is in use by another process\n`);
    expect((await first.admin.get(RECORDS)).status).toBe(200);
  });

  it('has every acknowledged write after kill -9 under load, again and again', () =>
    expectWritesToOutliveKills(3));
});

it('a server that is told to stop, twice, answers the request that it has, and does not wait for clients to hang up', async () => {
  const directory = await databaseDirectory();
  const server = await start(directory, { SHUTDOWN_TIMEOUT: '600' });
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
  // Short of the 72 s after which any server closes an idle connection.
}, 60_000);

describe('an answer of 18 MB that is being read', () => {
  /** Begins to read, and waits until the test says `resume`. */
  async function begin() {
    const directory = await databaseDirectory();
    const server = await start(directory, { SHUTDOWN_TIMEOUT: '600' });
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
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
    expect(text.match(/"resourceKey"/g)).toHaveLength(20);
    // The end of the JSON, and of the chunks.
    expect(text).toMatch(/\]\}\r\n0\r\n\r\n$/);
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
  const directory = await databaseDirectory();
  const server = await spawn({ DATA_DIR: directory }, ['npm', 'start']);
  await server.ready();
  expect(await server.stop('SIGTERM')).toEqual({ code: 0, signal: null });
  await expect(fetch(`${server.url}/health/live`)).rejects.toThrow('fetch failed');
  await start(directory);
});

describe('a start that cannot work', () => {
  it('ends with 1 and one clear line: a port that is taken', async () => {
    const directory = await databaseDirectory();
    const first = await start(directory);
    const second = await spawn({ DATA_DIR: freshDirectory(), PORT: new URL(first.url).port });
    expect((await second.exited).code).toBe(1);
    expect(second.output).toMatch(
      /^Tidemark cannot start: port \d+ of 127.0.0.1 is in use by another process; PORT sets another one\n$/,
    );
  });
});
