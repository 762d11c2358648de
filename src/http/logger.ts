import type { LoggerService } from '@nestjs/common';
import { destination, pino } from 'pino';
import { config } from '../config.js';

/**
 * An error without the data that it may carry: a failed query holds its parameters (records, keys, hashes),
 * and an error of PostgreSQL the values of the row (`detail`, `where`).
 */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code, query, cause } = error as { code?: unknown; query?: unknown; cause?: unknown };
  return {
    type: error.name,
    message: error.message,
    stack: error.stack,
    code,
    query,
    ...(cause === undefined ? {} : { cause: serializeError(cause) }),
  };
}

/** Lines for people on a terminal; the package for them is loaded only there. */
const output = process.stdout.isTTY
  ? (await import('./terminal-log.js')).terminalLog
  : destination({ sync: false, minLength: 4_096, periodicFlush: 100 });

/**
 * Structured logs on stdout, one JSON object a line; short lines for people if it is a terminal. Headers, bodies
 * and query parameters are never given to it.
 *
 * Buffered, except on a terminal: lines are written some 30 at once (4 KiB) or after 100 ms, so that no request waits
 * for the reader of the log. The rest is written at the end of the process, SIGKILL aside.
 */
export const logger = pino({ level: config.LOG_LEVEL, serializers: { err: serializeError } }, output);

const FRAMEWORK = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
]);

type Level = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace';

/** Nest's own logger, on the same stream: a text, or an object of fields and a text. */
export class NestLogger implements LoggerService {
  /** Lines about Nest's own start are for debugging. */
  log = (message: unknown, ...rest: unknown[]) =>
    this.write(FRAMEWORK.has(String(rest.at(-1))) ? 'debug' : 'info', message, rest);
  fatal = (message: unknown, ...rest: unknown[]) => this.write('fatal', message, rest);
  error = (message: unknown, ...rest: unknown[]) => this.write('error', message, rest);
  warn = (message: unknown, ...rest: unknown[]) => this.write('warn', message, rest);
  debug = (message: unknown, ...rest: unknown[]) => this.write('debug', message, rest);
  verbose = (message: unknown, ...rest: unknown[]) => this.write('trace', message, rest);

  /** Nest appends the context, the name of the class that logs, as the last argument. */
  private write(level: Level, message: unknown, rest: unknown[]) {
    const texts = rest.filter((part) => typeof part === 'string');
    const context = texts.pop();
    if (message instanceof Error) logger[level]({ context, err: message }, message.message);
    else if (typeof message === 'object') logger[level]({ context, ...message }, texts.join(' '));
    else
      logger[level]({ context, ...(texts.length > 0 ? { detail: texts.join('\n') } : {}) }, String(message));
  }
}
