import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A request template; requests.lua replaces `@UNIQUE_KEY@` and `@SINCE@`. */
export interface Request {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: object;
}

export interface Load {
  requests: Request[];
  connections: number;
  seconds: number;
  /**
   * First cursor of requests with `@SINCE@`. Each later request uses the cursor of the last response with the
   * same `x-request-id`.
   */
  firstCursor?: string;
}

export interface LoadResult {
  requests: number;
  seconds: number;
  bytes: number;
  /** Latency in ms. */
  p50: number;
  p99: number;
}

/** Number of loads so far: part of each unique key, so that keys stay unique across loads. */
let loads = 0;

/**
 * Loads a server with wrk.
 *
 * @throws Error if wrk is not installed, or if any request failed
 */
export async function load(
  port: number,
  { requests, connections, seconds, firstCursor }: Load,
): Promise<LoadResult> {
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
  try {
    const file = join(directory, 'requests');
    writeFileSync(file, requests.map(serialize).join('\0'));
    const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '20s', '-s'];
    const script = join(import.meta.dirname, 'requests.lua');
    const env = {
      ...process.env,
      BENCH_REQUESTS: file,
      BENCH_RUN: String(++loads),
      ...(firstCursor === undefined ? {} : { BENCH_CURSOR: firstCursor }),
    };
    const { stdout } = await run('wrk', [...args, script, `http://127.0.0.1:${port}`], { env });
    const { errors, ...result } = JSON.parse(stdout.trim().split('\n').at(-1)!) as LoadResult & {
      errors: number;
    };
    if (errors > 0) throw new Error(`${errors} of ${result.requests} requests failed:\n${stdout}`);
    return result;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new Error('wrk is not installed: apt-get install wrk', { cause: error });
    throw error;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function serialize({ method, path, headers, body }: Request): string {
  const content = body === undefined ? '' : JSON.stringify(body);
  const lines = Object.entries({
    Host: '127.0.0.1',
    ...headers,
    ...(body === undefined
      ? {}
      : { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(content)) }),
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${content}`;
}
