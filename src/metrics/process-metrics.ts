import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { InjectDataSource } from '@nestjs/typeorm';
import type { FastifyInstance } from 'fastify';
import type { Server } from 'node:http';
import { promisify } from 'node:util';
import type { Pool } from 'pg';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { Histories } from '../histories/histories.js';
import { FairLimit } from '../http/fair-limit.js';
import { LiveRequests } from '../live/live-requests.js';

/** Seconds. An idle poll takes 1 ms; requests time out after 60 s. */
const DURATIONS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30];

/** Gauges of prom-client with names that promtool refuses: only counters end in `_total`. */
const MISNAMED = ['handles', 'requests', 'resources'].map((name) => `nodejs_active_${name}_total`);

/** Requests, and the state of this process: read at each scrape, without the database. */
@Injectable()
export class ProcessMetrics {
  constructor(
    private readonly registry: Registry,
    host: HttpAdapterHost,
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    histories: Histories,
    private readonly live: LiveRequests,
  ) {
    collectDefaultMetrics({ register: registry });
    for (const name of MISNAMED) registry.removeSingleMetric(name);
    this.countRequests(host.httpAdapter.getInstance());
    this.countConnections(host.httpAdapter.getHttpServer());
    this.gauge(
      'tidemark_live_requests',
      'Requests that wait for changes: long polls and event streams.',
      (gauge) => gauge.set(live.size),
    );
    this.readLimits();
    this.readPools();
    this.gauge(
      'tidemark_histories',
      'Histories of the database: more than 1 after a restore or failover.',
      (gauge) => gauge.set(histories.count),
    );
  }

  /**
   * Requests that have waited for a change are left out: it is no duration of the server.
   *
   * Label `route` is the template of the route. Requests without a route are one series for each status.
   */
  private countRequests(fastify: FastifyInstance): void {
    const durations = new Histogram({
      name: 'tidemark_http_request_duration_seconds',
      help: 'Duration of requests, to the last byte of the answer.',
      labelNames: ['method', 'route', 'status'],
      buckets: DURATIONS,
      registers: [this.registry],
    });
    // The look-up of a child by its labels takes several times as long as its observation.
    const children = new Map<string, Histogram.Internal<string>>();
    fastify.addHook(
      'onResponse',
      ({ method, routeOptions: { url } }, { raw, statusCode, elapsedTime }, done) => {
        if (this.live.isLive(raw)) return done();
        const key = url === undefined ? `${statusCode}` : `${statusCode} ${method} ${url}`;
        let child = children.get(key);
        if (!child) {
          const labels = url === undefined ? ['other', 'unmatched'] : [method, url];
          children.set(key, (child = durations.labels(...labels, String(statusCode))));
        }
        child.observe(elapsedTime / 1_000);
        done();
      },
    );
  }

  private countConnections(server: Server): void {
    const count = promisify(server.getConnections.bind(server));
    this.gauge('tidemark_http_connections', 'Open connections of clients.', async (gauge) =>
      gauge.set(await count()),
    );
  }

  private readLimits(): void {
    const help = 'of the limits of this process: bytes for names that end in _bytes, else requests.';
    this.gauge(
      'tidemark_admission_used',
      `Admitted weight ${help}`,
      (gauge) => {
        for (const [limit, { load }] of FairLimit.all) gauge.set({ limit }, load.used);
      },
      'limit',
    );
    this.gauge(
      'tidemark_admission_waiting',
      'Requests that wait for a place, by limit.',
      (gauge) => {
        for (const [limit, { load }] of FairLimit.all) gauge.set({ limit }, load.waiting);
      },
      'limit',
    );
  }

  private readPools(): void {
    const pools: [string, Pool][] = [
      ['primary', this.dataSource.pool],
      ...this.dataSource.replicas.pools.map((pool, i): [string, Pool] => [`replica-${i + 1}`, pool]),
    ];
    this.gauge(
      'tidemark_db_connections',
      'Connections to the database, by pool and state.',
      (gauge) => {
        for (const [pool, { totalCount, idleCount }] of pools) {
          gauge.set({ pool, state: 'busy' }, totalCount - idleCount);
          gauge.set({ pool, state: 'idle' }, idleCount);
        }
      },
      'pool',
      'state',
    );
    this.gauge(
      'tidemark_db_connections_limit',
      'Connections that a pool may have.',
      (gauge) => {
        for (const [pool, { options }] of pools) gauge.set({ pool }, options.max);
      },
      'pool',
    );
    this.gauge(
      'tidemark_db_waiting',
      'Requests and tasks that wait for a connection, by pool.',
      (gauge) => {
        for (const [pool, { waitingCount }] of pools) gauge.set({ pool }, waitingCount);
      },
      'pool',
    );
  }

  /** @param read sets the value at each scrape */
  private gauge<Label extends string>(
    name: string,
    help: string,
    read: (gauge: Gauge<Label>) => void | Promise<void>,
    ...labelNames: Label[]
  ): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        return read(this);
      },
    });
  }
}
