import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { setTimeout as delay } from 'node:timers/promises';
import { TidemarkDataSource } from '../../database/tidemark-data-source.js';
import { serviceUnavailable } from '../../http/api-error.js';
import { WebhookEndpoint } from '../webhook-endpoint.entity.js';
import { MAX_TESTS, SenderOptions } from './options.js';
import { LOCK, Scheduler } from './scheduler.js';
import { MAY_TEST, RESERVE_TEST } from './sql/reserve-test.js';

/** The tests of one API client among MAX_TESTS. */
const MAX_OF_CLIENT = 5;

/** ms between two looks for a place. */
const INTERVAL = 100;

const TOO_MANY = serviceUnavailable('Too many tests of webhooks run or wait. Try again later.');
const BUSY = serviceUnavailable('The webhook takes no more requests just now. Try again later.');

/**
 * DoS: a test is a request of the caller's choosing, to a URL of the caller's choosing. It is one of the
 * requests that the endpoint and the process make at the same time, as a delivery is; while there is no place
 * it waits.
 */
@Injectable()
export class TestPlaces {
  /** Number of tests, by client. */
  private readonly tests = new Map<string, number>();
  private count = 0;
  /** Endpoints that this process tests: their other tests need not ask the database. */
  private readonly tested = new Set<string>();

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly scheduler: Scheduler,
    private readonly options: SenderOptions,
  ) {}

  /** @throws ApiError 503 when there is no place, or too many tests wait for theirs */
  async run<T>({ id, clientId }: WebhookEndpoint, test: () => Promise<T>): Promise<T> {
    const testsOfClient = this.tests.get(clientId) ?? 0;
    if (testsOfClient >= MAX_OF_CLIENT || this.count >= MAX_TESTS) throw TOO_MANY;
    this.tests.set(clientId, testsOfClient + 1);
    this.count++;
    try {
      return await this.runInTurn(id, test);
    } finally {
      this.count--;
      const rest = this.tests.get(clientId)! - 1;
      if (rest > 0) this.tests.set(clientId, rest);
      else this.tests.delete(clientId);
    }
  }

  private async runInTurn<T>(id: string, test: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + this.options.patience;
    await until(deadline, () => !this.tested.has(id) && this.tested.add(id));
    try {
      return await this.runReserved(id, deadline, test);
    } finally {
      this.tested.delete(id);
    }
  }

  private async runReserved<T>(id: string, deadline: number, test: () => Promise<T>): Promise<T> {
    const testedUntil = await until(deadline, () => this.reserve(id));
    try {
      await until(deadline, () => this.mayTest(id));
      return await test();
    } finally {
      // Compare-and-set: a lease that has ended may be that of another test.
      const endpoints = this.dataSource.getRepository(WebhookEndpoint);
      await endpoints.update({ id, testedUntil }, { testedUntil: null });
      this.scheduler.nudge();
    }
  }

  private reserve(id: string): Promise<Date | undefined> {
    return this.dataSource.transaction(async (manager) => {
      await manager.query(LOCK);
      const [[reserved]] = await manager.query<[{ testedUntil: Date }[], number]>(RESERVE_TEST, [
        id,
        this.options.lease,
      ]);
      return reserved?.testedUntil;
    });
  }

  private async mayTest(id: string): Promise<boolean> {
    const [found] = await this.dataSource.execute<{ mayTest: boolean }>(MAY_TEST, [id]);
    // Without its endpoint, the test ends with 404.
    return found?.mayTest ?? true;
  }
}

/**
 * @param deadline of performance.now()
 * @param look returns something falsy to be asked again
 * @throws ApiError 503 after the deadline
 */
async function until<T>(
  deadline: number,
  look: () => T | Promise<T>,
): Promise<Exclude<T, false | undefined>> {
  for (;;) {
    const found = await look();
    if (found) return found as Exclude<T, false | undefined>;
    if (performance.now() >= deadline) throw BUSY;
    await delay(INTERVAL);
  }
}
