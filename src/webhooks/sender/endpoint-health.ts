import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { Raw } from 'typeorm';
import { TidemarkDataSource } from '../../database/tidemark-data-source.js';
import { endpointDisabled } from '../../signals/signals.js';
import { WebhookEndpoint } from '../webhook-endpoint.entity.js';
import { retryDelay } from './retry.js';

/** From so many failures in a row on, the whole endpoint waits, not only the position that failed. */
const MAX_FAILURES = 5;

/** An endpoint may fail for so long. */
const DISABLE_AFTER = "interval '5 days'";

/** Attempts are at most a day apart: a longer gap had none, and the next failure starts a new run. */
const LONGEST_GAP = "interval '2 days'";

/**
 * Counts only if the URL is unchanged: its owner may have replaced the one that failed.
 *
 * $1 endpoint, $2 URL, $3 ms for which nothing is sent to the endpoint, or null
 */
const NOTE_FAILURE = `
  UPDATE webhook_endpoints
  SET failures = failures + 1, failed_at = clock_timestamp(),
    failing_since = CASE
      WHEN failed_at > clock_timestamp() - ${LONGEST_GAP} THEN failing_since ELSE clock_timestamp()
    END,
    retry_at = greatest(retry_at, clock_timestamp() + $3 * interval '1 ms')
  WHERE id = $1 AND url = $2
  RETURNING id`;

/** State of an endpoint when an attempt starts. */
type Before = Pick<WebhookEndpoint, 'url' | 'failures'> & { endpointId: string };

/** Circuit breaker: counts the failures of an endpoint, makes it wait, and disables it. */
@Injectable()
export class EndpointHealth {
  private readonly logger = new Logger(EndpointHealth.name);

  constructor(@InjectDataSource() private readonly dataSource: TidemarkDataSource) {}

  /** Compare-and-set: reset only if nothing failed since this attempt started. */
  async noteSuccess({ endpointId, failures }: Before): Promise<void> {
    if (failures === 0) return;
    const healthy = { failures: 0, failingSince: null, failedAt: null, retryAt: null };
    await this.dataSource.manager.update(WebhookEndpoint, { id: endpointId, failures }, healthy);
  }

  /**
   * @param status of the answer
   * @param retryAfter ms that the receiver asked for
   */
  async noteFailure(before: Before, status: number | null, retryAfter: number): Promise<void> {
    const { endpointId, url, failures } = before;
    const backoff = failures + 1 >= MAX_FAILURES ? retryDelay(failures + 1) : 0;
    const wait = Math.max(backoff, retryAfter) || null;
    const noted = await this.dataSource.execute(NOTE_FAILURE, [endpointId, url, wait]);
    if (noted.length > 0) await this.disable(endpointId, status === 410);
  }

  private async disable(id: string, isGone: boolean): Promise<void> {
    const isOver = Raw((column) => `${column} < clock_timestamp() - ${DISABLE_AFTER}`);
    const disabledReason = isGone ? 'gone' : 'failing';
    const { affected } = await this.dataSource.manager.update(
      WebhookEndpoint,
      { id, active: true, ...(!isGone && { failingSince: isOver }) },
      { active: false, disabledAt: () => 'clock_timestamp()', disabledReason },
    );
    if (affected === 0) return;
    endpointDisabled.publish({ reason: disabledReason });
    this.logger.warn({ endpointId: id, reason: disabledReason }, 'a webhook endpoint is disabled');
  }
}
