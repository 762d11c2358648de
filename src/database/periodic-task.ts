import { taskRun } from '../signals/signals.js';

/**
 * Work on the database at intervals. Single-flight: a slow run is not joined by a second one.
 *
 * The owner starts it on bootstrap, and awaits `stop` in `onModuleDestroy`, while the database is still connected.
 */
export class PeriodicTask {
  /** Drain: work in batches ends after the running one. */
  isStopping = false;
  private timer?: NodeJS.Timeout;
  private running?: Promise<void>;

  /**
   * @param name for metrics; unique
   * @param fail gets each failure; the next run is a retry
   */
  constructor(
    private readonly name: string,
    private readonly work: () => Promise<void>,
    private readonly fail: (error: unknown) => void,
  ) {}

  /** Runs the work at once. Joins a run that has begun. */
  run(): Promise<void> {
    return (this.running ??= this.runOnce().finally(() => (this.running = undefined)));
  }

  private async runOnce(): Promise<void> {
    const start = performance.now();
    let result: 'ok' | 'failed' = 'ok';
    try {
      await this.work();
    } catch (error) {
      result = 'failed';
      this.fail(error);
    }
    taskRun.publish({ task: this.name, result, seconds: (performance.now() - start) / 1_000 });
  }

  /** @param interval in ms; the first run is after the first one */
  start(interval: number): void {
    this.timer = setInterval(() => void this.run(), interval);
  }

  /** Lets a running batch finish. */
  async stop(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.timer);
    await this.running;
  }
}
