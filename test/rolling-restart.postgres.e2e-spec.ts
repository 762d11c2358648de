import { afterEach, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { get } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { createDatabase, type TestDatabase } from './support/database.js';
import { ADMIN_KEY, ServerProcess } from './support/server.js';
import { until } from './support/until.js';

/** ms between two readiness probes of the balancer. */
const PROBING = 100;

/** A load balancer for TCP connections: in turn to the servers whose last readiness probe was good. */
class Balancer {
  readonly servers: ServerProcess[] = [];
  private ready: ServerProcess[] = [];
  private turn = 0;
  private readonly timer = setInterval(() => void this.probe(), PROBING);

  private constructor(private readonly server: Server) {
    server.on('connection', (socket) => {
      const target = this.ready[this.turn++ % this.ready.length];
      if (target === undefined) return void socket.destroy();
      const upstream = connect(Number(new URL(target.url).port), '127.0.0.1');
      socket.pipe(upstream).pipe(socket);
      socket.on('error', () => upstream.destroy());
      upstream.on('error', () => socket.destroy());
    });
  }

  static async start(): Promise<Balancer> {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return new Balancer(server);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async probe(): Promise<void> {
    const probes = this.servers.map(({ url }) => fetch(`${url}/health/ready`).catch(() => undefined));
    const answers = await Promise.all(probes);
    this.ready = this.servers.filter((_, n) => answers[n]?.ok);
  }

  /** Whether new connections go to this server. */
  leadsTo(server: ServerProcess): boolean {
    return this.ready.includes(server);
  }

  close(): void {
    clearInterval(this.timer);
    this.server.close();
  }
}

let database: TestDatabase;
let balancer: Balancer;
afterEach(async () => {
  balancer.close();
  await Promise.all(balancer.servers.map((server) => server.stop('SIGKILL')));
  await database.drop();
});

/** A request on a connection of its own. @returns its status, or the error of the connection */
const request = (port: number) =>
  new Promise<number | string>((resolve) => {
    const headers = { authorization: `Bearer ${ADMIN_KEY}` };
    get({ port, host: '127.0.0.1', path: '/api/v1/api-keys', agent: false, headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode!));
      response.on('error', (error) => resolve(error.message));
    }).on('error', (error) => resolve(error.message));
  });

it('a rolling restart of two servers behind a balancer refuses no connection', async () => {
  database = await createDatabase();
  balancer = await Balancer.start();
  const env = { ...database.env, SHUTDOWN_DELAY: '3' };
  balancer.servers.push(await ServerProcess.start(env), await ServerProcess.start(env));
  const old = [...balancer.servers];
  await until(() => old.every((server) => balancer.leadsTo(server)));
  const answers: (number | string)[] = [];
  let isOver = false;
  const clients = Array.from({ length: 4 }, async () => {
    while (!isOver) answers.push(await request(balancer.port));
  });
  for (const [n, server] of old.entries()) {
    expect((await server.stop('SIGTERM')).code).toBe(0);
    const next = await ServerProcess.start(env);
    balancer.servers[n] = next;
    await until(() => balancer.leadsTo(next));
    const before = answers.length;
    await until(() => answers.length > before + 20);
  }
  isOver = true;
  await Promise.all(clients);
  expect(answers.filter((answer) => answer !== 200)).toEqual([]);
});
