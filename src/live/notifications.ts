import { PostgresClient } from '../database/postgres-client.js';
import type { TidemarkDataSource } from '../database/tidemark-data-source.js';

/** ms between two notifications of one process. */
const INTERVAL = 25;

/** Ids of one notification: at most 11 bytes each with the comma, of the 8,000 that PostgreSQL allows. */
const MAX_IDS = 700;

/** ms for the connection and for an answer. */
const TIMEOUT = 5_000;

const CHANNEL = 'tidemark_changes';

/** $1 payloads. */
const SEND = `SELECT pg_notify('${CHANNEL}', payload) FROM unnest($1::text[]) payload`;

/**
 * LISTEN and NOTIFY: tells the other processes which feeds have changed, on a session of its own. It is a hint: a
 * lost one costs a few seconds, never a change.
 *
 * Never inside the transaction of a write. PostgreSQL commits transactions with NOTIFY one after the other in the
 * whole cluster, which leaves 0.2 to 0.6 of the writes a second. After the commit it costs nothing measurable.
 */
export class Notifications {
  private session?: PostgresClient;
  private readonly pending = new Set<number>();
  private isPausing = false;

  /** @param hear gets the feeds that another process has changed */
  constructor(
    private readonly dataSource: TidemarkDataSource,
    private readonly hear: (userIds: number[]) => void,
  ) {}

  get isListening(): boolean {
    return this.session !== undefined;
  }

  /** Connects, or asks the session whether it lives. @throws Error if it does not */
  async keepUp(): Promise<void> {
    if (this.session) await this.query(this.session, 'SELECT 1');
    else await this.listen();
  }

  /** The other processes hear of it at once; in a burst, within INTERVAL. */
  send(userId: number): void {
    if (!this.session) return;
    this.pending.add(userId);
    void this.flush();
  }

  async end(): Promise<void> {
    const { session } = this;
    this.session = undefined;
    await session?.end();
  }

  private async listen(): Promise<void> {
    const timeouts = { connectionTimeoutMillis: TIMEOUT, query_timeout: TIMEOUT };
    const session = new PostgresClient({ ...this.dataSource.pool.options, ...timeouts });
    const lose = () => this.lose(session);
    session.on('error', lose).on('end', lose);
    session.on('notification', ({ processId, payload = '' }) => {
      if (processId !== session.pid) this.hear(payload.split(',').map(Number));
    });
    await session.connect();
    await this.query(session, `LISTEN ${CHANNEL}`);
    this.session = session;
  }

  private async flush(): Promise<void> {
    const { session } = this;
    if (this.isPausing || !session || this.pending.size === 0) return;
    this.isPausing = true;
    const ids = [...this.pending];
    this.pending.clear();
    const payloads: string[] = [];
    for (let i = 0; i < ids.length; i += MAX_IDS) payloads.push(ids.slice(i, i + MAX_IDS).join());
    const pause = new Promise((resolve) => setTimeout(resolve, INTERVAL));
    // The next look at the session finds out.
    await this.query(session, SEND, [payloads]).catch(() => {});
    await pause;
    this.isPausing = false;
    await this.flush();
  }

  private async query(session: PostgresClient, sql: string, values?: unknown[]): Promise<void> {
    try {
      await session.query(sql, values);
    } catch (error) {
      this.lose(session);
      void session.end().catch(() => {});
      throw error;
    }
  }

  private lose(session: PostgresClient): void {
    if (this.session === session) this.session = undefined;
  }
}
