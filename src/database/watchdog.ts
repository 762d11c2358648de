import { Logger } from '@nestjs/common';
import type { PostgresClient } from './postgres-client.js';

/*
 * A database that hangs closes no connection and answers nothing: its processes are stopped, its disk or the network
 * does not respond. Its own timeouts hang with it, so this process has to notice.
 *
 * A slow statement is silent, too. So when a connection has been silent for 2 s, the database is asked on a new one:
 * - No answer within 5 s, and no byte on any connection: it hangs. All connections are cut, and their requests get
 *   503. New connections fail at once (circuit breaker), until the database has answered.
 * - An answer: it names the sessions that work. A silent connection whose session does not work is lost, such as one
 *   to a server that has been replaced, and is cut.
 *
 * A connection that is cut is never used again, and a write on it has no answer but 503, as on one that is lost.
 *
 * Times are counted in looks, not by a clock: a process that was stopped itself must not take its own pause for
 * that of the database.
 */

/** ms between two looks at all connections. */
const INTERVAL = 500;

/** Looks without a byte after which the database is asked: 2 s. */
const SUSPICIOUS = 4;

/** Looks that its answer may take: 5 s. So a request waits for 503 at most 8 s. */
const PATIENCE = 10;

/** Looks without a byte after which a connection is cut anyway: 35 s, more than `statement_timeout`. */
const LONGEST = 70;

/** SQLSTATE connection_failure: the answer is 503 with Retry-After. */
const failure = (message: string) => Object.assign(new Error(message), { code: '08006' });

export const hangs = () => failure('The database does not answer.');

/** Asks the database on a new connection. */
export interface Question {
  /** Of these process ids, those of sessions that work on a statement. Any other end is an answer as well. */
  answer: Promise<number[]>;
  /** Closes the connection. */
  end: () => void;
}

interface Watched {
  bytesRead: number;
  unsent: number;
  /** Looks in a row at which an answer was due, and no byte had come or gone. */
  silentLooks: number;
}

/** Notices a database that hangs. */
export class Watchdog {
  /** True from the moment when the database hangs until it has answered again. */
  isHanging = false;
  private readonly logger = new Logger(Watchdog.name);
  private readonly clients = new Map<PostgresClient, Watched>();
  private timer?: NodeJS.Timeout;
  private question?: Question;
  /** Looks since the question was asked. */
  private looks = 0;
  /** Whether any connection has got a byte since then. */
  private isAlive = false;

  constructor(private readonly ask: (pids: number[]) => Question) {}

  start(): void {
    this.timer = setInterval(() => this.look(), INTERVAL).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.question?.end();
  }

  /**
   * Watches a connection until its end.
   *
   * @throws Error (SQLSTATE 08006) while the database hangs
   */
  watch(client: PostgresClient): void {
    if (this.isHanging) throw hangs();
    this.clients.set(client, { bytesRead: 0, unsent: 0, silentLooks: 0 });
    client.once('end', () => this.clients.delete(client));
  }

  private look(): void {
    for (const [client, last] of this.clients) {
      const { bytesRead, unsent, isWaiting } = client;
      if (bytesRead !== last.bytesRead) this.isAlive = true;
      const isSilent = isWaiting && bytesRead === last.bytesRead && unsent === last.unsent;
      const silentLooks = isSilent ? last.silentLooks + 1 : 0;
      this.clients.set(client, { bytesRead, unsent, silentLooks });
      if (silentLooks >= LONGEST) client.cut(failure('The connection to the database has been silent.'));
    }
    if (this.question) {
      if (++this.looks === PATIENCE) this.giveUp(this.question);
    } else if (this.isHanging || this.silent((looks) => looks > 0 && looks % SUSPICIOUS === 0).length > 0)
      void this.inquire();
  }

  private silent(isLong = (looks: number) => looks >= SUSPICIOUS): PostgresClient[] {
    return [...this.clients].flatMap(([client, { silentLooks }]) => (isLong(silentLooks) ? client : []));
  }

  private async inquire(): Promise<void> {
    const suspects = this.silent().filter(({ pid }) => pid !== undefined);
    const question = this.ask(suspects.map(({ pid }) => pid!));
    Object.assign(this, { question, looks: 0, isAlive: false });
    // It cannot be reached, or refuses: then statements and connections end by themselves.
    const working = await question.answer.catch(() => undefined);
    question.end();
    if (this.question !== question) return;
    this.question = undefined;
    if (this.isHanging) this.logger.log('the database answers again');
    this.isHanging = false;
    const silent = this.silent();
    for (const client of suspects)
      if (working && silent.includes(client) && !working.includes(client.pid!))
        client.cut(failure('The connection to the database is lost.'));
  }

  private giveUp(question: Question): void {
    this.question = undefined;
    question.end();
    if (this.isAlive || this.isHanging) return;
    this.isHanging = true;
    this.logger.error('the database does not answer: all connections are cut, requests get 503');
    for (const client of this.clients.keys()) client.cut(hangs());
  }
}
