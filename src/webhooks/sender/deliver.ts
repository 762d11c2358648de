import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { isDeepStrictEqual } from 'node:util';
import type { EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { TidemarkDataSource } from '../../database/tidemark-data-source.js';
import { PUBLIC_URL_JSON } from '../../sync-feed/feed-reader.js';
import { READ_CHANGES } from '../../sync-feed/read-changes.js';
import { cursorOf } from '../../sync-feed/since.js';
import { assetFilterOf } from '../../api/resource-type.js';
import { endPositions } from '../positions.js';
import { WebhookDelivery } from '../webhook-delivery.entity.js';
import { WebhookPosition } from '../webhook-position.entity.js';
import { EndpointHealth } from './endpoint-health.js';
import { logAttempt } from './log-attempt.js';
import { SECRET } from '../webhook-endpoint.entity.js';
import { bodyOf, type Message, secretsOf, send } from './message.js';
import { SenderOptions } from './options.js';
import { isAcknowledged, type Outcome } from './post.js';
import { parseRetryAfter, retryDelay } from './retry.js';
import { ADVANCE } from './sql/advance.js';
import { BEGIN_DELIVERY } from './sql/begin-delivery.js';
import { type PositionSnapshot, READ_POSITION } from './sql/read-position.js';
import type { LeasedPosition } from './sql/take-due.js';

/** Notifications of one request. */
const MAX_NOTIFICATIONS = 100;

/** The next range at a position, as read from the feed. */
interface Found {
  snapshot: PositionSnapshot;
  /** Inclusive end of the range. */
  until: Date;
  notifications: object[];
}

/** A delivery that is written down, with the position that it is for. */
interface Prepared extends Message {
  position: LeasedPosition;
  snapshot: PositionSnapshot;
  until: Date;
}

/**
 * Delivers the next range of a developer's feed to an endpoint, or the one that it has not acknowledged yet.
 */
@Injectable()
export class Deliverer {
  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly health: EndpointHealth,
    private readonly options: SenderOptions,
  ) {}

  /**
   * One attempt, if there is a range to deliver. No connection to the database is held during the request.
   */
  async deliver(position: LeasedPosition): Promise<void> {
    const message = await this.prepare(position);
    if (!message) return;
    const { url } = message.snapshot;
    const outcome = await send(url, message, secretsOf(message.snapshot), this.options.timeout);
    if (isAcknowledged(outcome)) await this.succeed(message, outcome);
    else await this.fail(message, outcome);
  }

  private async succeed({ id, position, snapshot, until }: Prepared, outcome: Outcome): Promise<void> {
    // First, so that no crash leaves an endpoint that works with the date of an old failure.
    await this.health.noteSuccess(snapshot);
    await this.whileLocked(position, async (manager) => {
      await logAttempt(manager, id, outcome);
      if (!(await this.advance(manager, position, snapshot, until, until))) return;
      const completedAt = () => 'clock_timestamp()';
      await manager.update(WebhookDelivery, id, { status: 'delivered', completedAt });
    });
  }

  private async fail({ id, position, snapshot }: Prepared, outcome: Outcome): Promise<void> {
    const { status, date } = outcome;
    const retryAfter = status === 429 || status === 503 ? parseRetryAfter(outcome.retryAfter, date) : 0;
    const delay = Math.max(retryDelay(snapshot.attempts + 1), retryAfter);
    await this.whileLocked(position, async (manager) => {
      await logAttempt(manager, id, outcome);
      await manager
        .createQueryBuilder()
        .update(WebhookPosition)
        .set({
          dueAt: () => `clock_timestamp() + :delay * interval '1 ms'`,
          lease: null,
          attempts: () => 'attempts + 1',
        })
        .where(position)
        .setParameters({ delay })
        .execute();
    });
    await this.health.noteFailure(snapshot, status, retryAfter);
  }

  /**
   * Writes the message down before it is first sent: a process that dies leaves the same range under the same
   * id.
   *
   * @returns undefined if there is no range to deliver, or the lease is lost
   */
  private async prepare(position: LeasedPosition): Promise<Prepared | undefined> {
    // Snapshot isolation: the changes are read under the right that was checked with them.
    const found = await this.dataSource.transaction('REPEATABLE READ', (manager) =>
      this.read(manager, position),
    );
    if (!found) return undefined;
    const { snapshot, until, notifications } = found;
    if (!snapshot.mayRead) {
      const end = endPositions('user_id = $1 AND id = $2 AND lease = $3');
      await this.dataSource.execute(end, keyOf(position));
      return undefined;
    }
    if (snapshot.deliveryId === null && notifications.length === 0) {
      await this.whileLocked(position, (manager) => this.advance(manager, position, snapshot, null, until));
      return undefined;
    }
    const id = snapshot.deliveryId ?? (await this.begin(position, found));
    if (id === undefined) return undefined;
    const user_id = position.userId;
    const body = bodyOf(
      notifications.map((notification) => ({ user_id, ...notification })),
      { user_id, since: cursorOf(snapshot.announced), until: cursorOf(until) },
    );
    return { id, body, position, snapshot, until };
  }

  /** @returns the id of a new delivery; undefined if the lease is lost */
  private async begin(
    position: LeasedPosition,
    { snapshot: { assets, endpointId }, until, notifications }: Found,
  ): Promise<string | undefined> {
    const values = [...keyOf(position), uuidv7(), until, assets, notifications.length, endpointId];
    const [begun] = await this.dataSource.execute<{ id: string }>(BEGIN_DELIVERY, values);
    return begun?.id;
  }

  private async read(manager: EntityManager, position: LeasedPosition): Promise<Found | undefined> {
    const [found] = await manager.query<PositionSnapshot[]>(READ_POSITION, keyOf(position));
    if (!found) return undefined;
    const snapshot = {
      ...found,
      secret: SECRET.from(found.secret)!,
      previousSecret: SECRET.from(found.previousSecret),
      assets: found.assets && assetFilterOf(found.assets),
    };
    const { announced, scanned, scannedAssets, assets, endsAt, clock } = snapshot;
    const end = snapshot.until ?? (endsAt && endsAt < clock ? endsAt : clock);
    if (!snapshot.mayRead) return { snapshot, until: end, notifications: [] };
    const [chunk] = await manager.query<{ items: string | null; last: Date; hasMore: boolean }[]>(
      READ_CHANGES,
      [
        position.userId,
        // With other assets, changes count that were passed over.
        isDeepStrictEqual(assets, scannedAssets) ? scanned : announced,
        assets,
        MAX_NOTIFICATIONS,
        end,
        PUBLIC_URL_JSON,
      ],
    );
    return {
      snapshot,
      until: chunk.hasMore ? chunk.last : end,
      notifications: JSON.parse(`[${chunk.items ?? ''}]`) as object[],
    };
  }

  /**
   * Up to `scanned` nothing is left to deliver. A replay that has reached its end is deleted.
   *
   * @param announced null: no message was sent
   * @returns false if the lease is lost
   */
  private async advance(
    manager: EntityManager,
    position: LeasedPosition,
    { assets, endsAt }: PositionSnapshot,
    announced: Date | null,
    scanned: Date,
  ): Promise<boolean> {
    if (endsAt && endsAt <= scanned) return (await manager.delete(WebhookPosition, position)).affected === 1;
    const values = [...keyOf(position), announced, scanned, assets];
    const [, count] = await manager.query<[unknown, number]>(ADVANCE, values);
    return count === 1;
  }

  /**
   * A transaction that locks the position first.
   *
   * Lost wake-up: before ADVANCE reads the clock of the feed. Lock order: before the delivery, as in a
   * deletion.
   */
  private whileLocked<T>(
    { userId, id }: LeasedPosition,
    work: (manager: EntityManager) => Promise<T>,
  ): Promise<T> {
    return this.dataSource.transaction(async (manager) => {
      await manager.findOne(WebhookPosition, { where: { userId, id }, lock: { mode: 'pessimistic_write' } });
      return work(manager);
    });
  }
}

const keyOf = ({ userId, id, lease }: LeasedPosition) => [userId, id, lease];
