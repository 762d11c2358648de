import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join, resolve } from 'node:path';
import { freePort } from './port.js';

const ROOT = resolve(import.meta.dirname, '..');

const PROGRAM = join(ROOT, 'dist/src/main.js');

/** The built server in its own process, as operators run it. */
export class ServerProcess {
  private child: ChildProcess;
  private exited: Promise<[code: number | null, signal: NodeJS.Signals | null]>;

  private constructor(
    readonly port: number,
    /** Settings as of the next start. */
    readonly env: Record<string, string>,
    private readonly program: string,
    private readonly logs?: string,
  ) {}

  /**
   * Starts a server and waits until it is ready.
   *
   * @param env settings (.env.example)
   * @param program path of the script to run
   * @param logs path of a file to which the output of the process is appended
   */
  static async start(env: Record<string, string>, program = PROGRAM, logs?: string): Promise<ServerProcess> {
    const server = new ServerProcess(await freePort(), env, program, logs);
    await server.start();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.child.pid!;
  }

  async start(): Promise<void> {
    const { logs } = this;
    this.child = spawn(process.execPath, [this.program], {
      env: {
        PATH: process.env.PATH,
        HOST: '127.0.0.1',
        NODE_ENV: 'production',
        SHUTDOWN_DELAY: '0',
        ...this.env,
        PORT: String(this.port),
      },
      stdio: ['ignore', logs === undefined ? 'ignore' : 'pipe', logs === undefined ? 'ignore' : 'pipe'],
    });
    this.exited = once(this.child, 'exit') as typeof this.exited;
    if (logs !== undefined) {
      const file = createWriteStream(logs, { flags: 'a' });
      for (const stream of [this.child.stdout, this.child.stderr]) stream?.pipe(file, { end: false });
    }
    while (!(await fetch(`${this.url}/health/ready`).catch(() => undefined))?.ok) {
      if (this.hasExited)
        throw new Error(`the server exited with ${this.child.exitCode ?? this.child.signalCode}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  get hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Sends the signal and waits for the exit. Returns the exit code; null if a signal ended the process. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (!this.hasExited) this.child.kill(signal);
    const [code] = await this.exited;
    return code;
  }
}
