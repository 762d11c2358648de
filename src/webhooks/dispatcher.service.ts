import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { config } from '../config.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { DeliveryService } from './delivery.service.js';

/** Requests that one process makes at the same time. Each holds a body of 100 notifications, some 30 kB. */
const MAX_RUNNING = 200;

/** Requests to one endpoint at the same time, of all processes together; each is of another developer. */
const MAX_OF_ENDPOINT = 4;

/** In ms: how long a position may stay due before somebody looks. What wakes the dispatcher up is much sooner. */
const POLLING = 1_000;

/** In s: what a delivery may take. A request takes 15 at most; the rest is for the database. */
const LEASE = 30;

/** Any constant that is ours: the lock of those who choose. */
const CHOOSING = 7_432_633_766;

/** Somebody's turn: of this position, as long as it has this lease. */
export interface Turn {
  userId: number;
  id: string;
  lease: string;
}

/**
 * Takes what is due: the longest overdue of each endpoint that may have another request now, endpoints that fail last. Only
 * one of an endpoint that fails. A replay and the changes of the same developer take turns, too.
 *
 * One process at a time, so that what each of them counts is true. Both statements are one message, and one transaction.
 *
 * @param room at most so many
 */
const take = (room: number) => `
  SELECT pg_advisory_xact_lock(${CHOOSING});
  WITH ready AS (
    SELECT e.id, e.failures > 0 AS fails, CASE WHEN e.failures > 0 THEN 1 ELSE ${MAX_OF_ENDPOINT} END - (
      SELECT count(*) FROM webhook_positions
      WHERE endpoint_id = e.id AND due_at > statement_timestamp() AND lease IS NOT NULL
    ) AS room
    FROM webhook_endpoints e
    JOIN api_clients c ON c.id = e.client_id
    WHERE active AND 'sync:read' = ANY (c.scopes) AND (retry_at IS NULL OR retry_at <= statement_timestamp())
      AND EXISTS (SELECT FROM webhook_positions WHERE endpoint_id = e.id AND due_at <= statement_timestamp())
  ),
  chosen AS (
    SELECT p.user_id, p.id
    FROM ready r
    CROSS JOIN LATERAL (
      SELECT user_id, id, due_at
      FROM webhook_positions c
      WHERE endpoint_id = r.id AND due_at <= statement_timestamp() AND NOT EXISTS (
        SELECT FROM webhook_positions o
        WHERE o.user_id = c.user_id AND o.endpoint_id = c.endpoint_id AND o.id <> c.id AND (
          CASE WHEN o.due_at > statement_timestamp() THEN o.lease IS NOT NULL ELSE (o.due_at, o.id) < (c.due_at, c.id) END
        )
      )
      ORDER BY due_at
      LIMIT greatest(r.room, 0)
      FOR UPDATE SKIP LOCKED
    ) p
    ORDER BY r.fails, p.due_at
    LIMIT ${room}
  )
  UPDATE webhook_positions p
  SET lease = gen_random_uuid(), due_at = clock_timestamp() + interval '${LEASE} seconds'
  FROM chosen c
  WHERE p.user_id = c.user_id AND p.id = c.id
  RETURNING p.user_id AS "userId", p.id, p.lease`;

const END_LEASES =
  'UPDATE webhook_positions SET due_at = clock_timestamp(), lease = NULL WHERE lease IS NOT NULL';

/** Sends what is due, in every process; which of them does so is decided in the database. */
@Injectable()
export class DispatcherService implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(DispatcherService.name);
  private readonly running = new Set<Promise<void>>();
  private isStopping = false;
  private isNudged = false;
  private wakeUp: () => void = () => {};
  private loop: Promise<void> = Promise.resolve();

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly deliveries: DeliveryService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    // No other process uses the embedded database: whoever had these turns is dead.
    if (config.DATABASE_URL === undefined) await this.dataSource.execute(END_LEASES, []);
    this.loop = this.run();
  }

  /** Lets running requests finish: a receiver may be in the middle of its sync. */
  async onModuleDestroy(): Promise<void> {
    this.isStopping = true;
    this.nudge();
    await this.loop;
    await Promise.all(this.running);
  }

  /** Something may be due: look now. */
  nudge(): void {
    this.isNudged = true;
    this.wakeUp();
  }

  private async run(): Promise<void> {
    while (!this.isStopping) {
      this.isNudged = false;
      try {
        await this.takeTurns();
      } catch (error) {
        this.logger.error({ err: error }, 'webhooks cannot be looked up');
      }
      await this.pause();
    }
  }

  private async takeTurns(): Promise<void> {
    const room = MAX_RUNNING - this.running.size;
    // Every notification has URLs of this server, which may not know its own before it listens.
    if (room === 0) return;
    const [, { rows }] = (await this.dataSource.pool.query(take(room))) as unknown as [
      unknown,
      { rows: Turn[] },
    ];
    for (const turn of rows) {
      const delivery = this.deliveries
        .deliver(turn)
        // The lease ends by itself.
        .catch((error: unknown) => this.logger.error({ err: error }, 'a webhook was not handled'))
        .finally(() => {
          this.running.delete(delivery);
          this.nudge();
        });
      this.running.add(delivery);
    }
  }

  private async pause(): Promise<void> {
    if (this.isNudged) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, POLLING);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
