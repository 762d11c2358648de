import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { DataSource } from 'typeorm';
import { Api } from './api.js';
import { createDatabase, type TestDatabase } from './database.js';

export const ADMIN_KEY = 'admin-key-of-the-tests';

const SETTINGS = { HOST: '127.0.0.1', ADMIN_API_KEY: ADMIN_KEY, LOG_LEVEL: 'silent' };

/** A server in this process, on a database of its own. One per test file: settings are read once. */
export interface TestApp {
  url: string;
  /** Requests with the admin key. */
  admin: Api;
  /** The server's own connection, for looking behind the API. */
  dataSource: DataSource;
  /** Requests of a developer, created if unknown, with a key of these scopes. */
  developer: (developerId: string, scopes?: string[]) => Promise<Api>;
  close: () => Promise<void>;
}

export async function startApp(env: Record<string, string> = {}): Promise<TestApp> {
  const database = await createDatabase();
  Object.assign(process.env, { ...SETTINGS, PORT: String(await freePort()), ...database.env, ...env });
  const { createApp, listen } = await import('../../src/create-app.js');
  const { default: dataSource } = await import('../../ormconfig.js');
  const app = await createApp();
  const url = await listen(app);
  return {
    url,
    admin: new Api(url, ADMIN_KEY),
    dataSource,
    developer: (developerId, scopes) => createDeveloper(url, developerId, scopes),
    close: async () => {
      await app.close();
      await database.drop();
    },
  };
}

/** Requests of a developer with a new key. */
export async function createDeveloper(
  url: string,
  developerId: string,
  scopes = ['sync:read', 'sync:write'],
): Promise<Api> {
  const { status, body } = await new Api(url, ADMIN_KEY).post('/api/v1/api-keys', { developerId, scopes });
  if (status !== 201) throw new Error(`no key for ${developerId}: ${status} ${JSON.stringify(body)}`);
  return new Api(url, body.key);
}

/** A built server in a process of its own, as operators run it. */
export class ServerProcess {
  output = '';
  private constructor(
    readonly url: string,
    readonly child: ChildProcess,
    readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>,
  ) {}

  get admin(): Api {
    return new Api(this.url, ADMIN_KEY);
  }

  /** Starts a process without waiting for it to serve. */
  static async spawn(
    env: Record<string, string>,
    [command, ...args] = [process.execPath, 'dist/src/main.js'],
  ): Promise<ServerProcess> {
    const port = await freePort();
    const child = spawn(command, args, {
      env: { PATH: process.env.PATH, ...SETTINGS, PORT: String(port), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
    const server = new ServerProcess(`http://127.0.0.1:${port}`, child, exited);
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (server.output += data));
    return server;
  }

  static async start(env: Record<string, string>): Promise<ServerProcess> {
    const server = await ServerProcess.spawn(env);
    await server.ready();
    return server;
  }

  /** Polls until the server serves; fails when the process ends instead. */
  async ready(): Promise<void> {
    let ended = false;
    void this.exited.then(() => (ended = true));
    for (;;) {
      if (ended) throw new Error(`the server ended:\n${this.output}`);
      const response = await fetch(`${this.url}/health/ready`).catch(() => undefined);
      if (response?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM') {
    this.child.kill(signal);
    return this.exited;
  }
}

let ports = 0;

/**
 * A port that nobody will take before the server does: below those that the system hands out by itself, and in a range
 * of this process, because another test's server at the same port would answer in the place of this one.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + ((process.pid * 97 + ports++) % 12_000);
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

export { createDatabase, type TestDatabase };
