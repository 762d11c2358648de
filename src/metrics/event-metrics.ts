import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Counter, Histogram, Registry } from 'prom-client';
import { ERROR_CODES } from '../http/api-error.js';
import { FairLimit } from '../http/fair-limit.js';
import * as signals from '../signals/signals.js';

/** Seconds. */
const WAITS = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 15];
const WEBHOOKS = [0.05, 0.25, 1, 5, 15];
const TASKS = [0.01, 0.1, 1, 10, 60];

const modeOf = (isCompact: boolean) => (isCompact ? 'compact' : 'plain');

/** Counters and histograms of what the rooms publish (src/signals). */
@Injectable()
export class EventMetrics implements OnApplicationBootstrap {
  private readonly unadmitted: Counter<'limit'>;

  constructor(registry: Registry) {
    const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
      new Counter({ name, help, labelNames, registers: [registry] });
    const histogram = <Label extends string>(
      name: string,
      help: string,
      buckets: number[],
      ...labelNames: Label[]
    ) => new Histogram({ name, help, buckets, labelNames, registers: [registry] });
    /**
     * Counts a signal by its only label. A series that first appears with its first event has no increase: Prometheus
     * would not see that event. So each begins with 0.
     *
     * @param values of the label
     */
    const countBy = <Label extends string>(
      signal: { subscribe: (listener: (fact: Record<Label, string>) => void) => void },
      name: string,
      help: string,
      label: Label,
      values: readonly string[],
    ) => {
      const counted = counter(name, help, label);
      for (const value of values) counted.inc({ [label]: value } as Record<Label, string>, 0);
      signal.subscribe((fact) => counted.inc(fact));
    };

    countBy(
      signals.changeCommitted,
      'tidemark_feed_changes_total',
      'Changes that were committed, by action.',
      'action',
      ['created', 'updated', 'deleted', 'added', 'removed'],
    );

    const locks = histogram(
      'tidemark_feed_lock_wait_seconds',
      'Time that a write waited for the lock of its feed.',
      WAITS,
    );
    signals.feedLocked.subscribe(({ seconds }) => locks.observe(seconds));

    const reads = counter(
      'tidemark_feed_reads_total',
      'Answered requests of the feed, by mode and result.',
      'mode',
      'result',
    );
    signals.feedRead.subscribe(({ isCompact, result }) => reads.inc({ mode: modeOf(isCompact), result }));

    const items = counter('tidemark_feed_items_served_total', 'Changes that were read for answers.', 'mode');
    const bytes = counter('tidemark_feed_served_bytes_total', 'Bytes of these changes, as JSON.', 'mode');
    signals.chunkRead.subscribe(({ isCompact, count, items: text }) => {
      items.inc({ mode: modeOf(isCompact) }, count);
      bytes.inc({ mode: modeOf(isCompact) }, Buffer.byteLength(text));
    });

    countBy(
      signals.requestRefused,
      'tidemark_http_errors_total',
      'Requests that got an error, by its code.',
      'code',
      ERROR_CODES,
    );
    countBy(signals.rateLimited, 'tidemark_rate_limited_total', 'Requests that got 429, by limit.', 'limit', [
      'credential',
      'network',
    ]);

    this.unadmitted = counter(
      'tidemark_admission_refused_total',
      'Requests that waited in vain for a place, and got 503, by limit.',
      'limit',
    );
    signals.admissionRefused.subscribe((labels) => this.unadmitted.inc(labels));

    countBy(
      signals.connectionRefused,
      'tidemark_http_connections_refused_total',
      'Connections that were refused, or cut off without a request to make room.',
      'result',
      ['refused', 'evicted'],
    );
    countBy(
      signals.replicaRead,
      'tidemark_replica_reads_total',
      'Reads of the feed that replicas served, or that fell back to the primary.',
      'result',
      ['served', 'behind', 'unavailable'],
    );

    const webhooks = histogram(
      'tidemark_webhook_duration_seconds',
      'Duration of webhook requests, by class of the status; error: there was no complete answer.',
      WEBHOOKS,
      'status',
    );
    signals.webhookSent.subscribe(({ status, seconds }) =>
      webhooks.observe({ status: status === null ? 'error' : `${Math.floor(status / 100)}xx` }, seconds),
    );

    countBy(
      signals.endpointDisabled,
      'tidemark_webhook_endpoints_disabled_total',
      'Endpoints that this process has disabled, by reason.',
      'reason',
      ['failing', 'gone'],
    );

    const tasks = histogram(
      'tidemark_task_duration_seconds',
      'Runs of background tasks, by task and result.',
      TASKS,
      'task',
      'result',
    );
    const known = new Set<string>();
    signals.taskRun.subscribe(({ task, result, seconds }) => {
      if (!known.has(task)) for (const each of ['ok', 'failed']) tasks.zero({ task, result: each });
      known.add(task);
      tasks.observe({ task, result }, seconds);
    });

    countBy(
      signals.loginTried,
      'tidemark_logins_total',
      'Attempts at the login pages, by result.',
      'result',
      ['succeeded', 'failed', 'throttled'],
    );

    // Each series begins with 0, as above.
    for (const mode of ['plain', 'compact']) {
      for (const result of ['changes', 'empty', 'not_modified']) reads.inc({ mode, result }, 0);
      items.inc({ mode }, 0);
      bytes.inc({ mode }, 0);
    }
    for (const status of ['2xx', '3xx', '4xx', '5xx', 'error']) webhooks.zero({ status });
  }

  /** Only now have all limits been made. */
  onApplicationBootstrap(): void {
    for (const limit of FairLimit.all.keys()) this.unadmitted.inc({ limit }, 0);
  }
}
