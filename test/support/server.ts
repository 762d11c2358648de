import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { DataSource } from 'typeorm';
import { Api } from './api.js';
import { createDatabase, type TestDatabase } from './database.js';

export const ADMIN_KEY = 'admin-key-of-the-tests-0123456789abcdef';

const SETTINGS = { HOST: '127.0.0.1', ADMIN_API_KEY: ADMIN_KEY, LOG_LEVEL: 'silent', SHUTDOWN_DELAY: '0' };

/** A server in the test process, on a new database. One per test file: the settings are read only once. */
export interface TestApp {
  url: string;
  /** Sends requests with the admin key. */
  admin: Api;
  /** The server's DataSource, to inspect the database. */
  dataSource: DataSource;
  /** Requests that wait for changes. */
  live: () => number;
  /** Creates an API key with these scopes for a developer, who is created if unknown. */
  developer: (developerId: string, scopes?: string[]) => Promise<Api>;
  close: () => Promise<void>;
}

export async function startApp(env: Record<string, string> = {}): Promise<TestApp> {
  const database = await createDatabase();
  const port = await freePort();
  Object.assign(process.env, { ...SETTINGS, PORT: String(port), ...database.env, ...env });
  const { createApp } = await import('../../src/create-app.js');
  const { default: dataSource } = await import('../../ormconfig.js');
  const { LiveRequests } = await import('../../src/live/live-requests.js');
  const app = await createApp();
  await app.listen(port, SETTINGS.HOST);
  const url = `http://${SETTINGS.HOST}:${port}`;
  return {
    url,
    admin: new Api(url, ADMIN_KEY),
    dataSource,
    live: () => app.get(LiveRequests, { strict: false }).size,
    developer: (developerId, scopes) => createDeveloper(url, developerId, scopes),
    close: async () => {
      await app.close();
      await database.drop();
    },
  };
}

/** Creates an API key for a developer, who is created if unknown. */
export async function createDeveloper(
  url: string,
  developerId: string,
  scopes = ['sync:read', 'sync:write'],
): Promise<Api> {
  const { status, body } = await new Api(url, ADMIN_KEY).post('/api/v1/api-keys', { developerId, scopes });
  if (status !== 201) throw new Error(`no key for ${developerId}: ${status} ${JSON.stringify(body)}`);
  return new Api(url, body.key);
}

/** The built server in its own process, as operators run it. */
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

  /** Starts a process without waiting until it is ready. */
  static async spawn(
    env: Record<string, string>,
    [command, ...args]: [string, ...string[]] = [process.execPath, 'dist/src/main.js'],
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

  /** Starts a process and waits until it is ready. */
  static async start(env: Record<string, string>): Promise<ServerProcess> {
    const server = await ServerProcess.spawn(env);
    await server.ready();
    return server;
  }

  /** Polls until the server is ready. @throws Error if the process exits instead */
  async ready(): Promise<void> {
    let hasExited = false;
    void this.exited.then(() => (hasExited = true));
    for (;;) {
      if (hasExited) throw new Error(`the server exited:\n${this.output}`);
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

/** Number of ports tried so far. */
let ports = 0;

/**
 * Finds a port that no other process takes before the server does: below the system's ephemeral ports, and in
 * a range that depends on the process id. Otherwise another test's server could take the port and respond in
 * place of this one.
 */
export async function freePort(): Promise<number> {
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
