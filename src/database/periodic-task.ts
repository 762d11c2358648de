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

  /** @param fail gets each failure; the next run is a retry */
  constructor(
    private readonly work: () => Promise<void>,
    private readonly fail: (error: unknown) => void,
  ) {}

  /** Runs the work at once. Joins a run that has begun. */
  run(): Promise<void> {
    return (this.running ??= this.work()
      .catch(this.fail)
      .finally(() => (this.running = undefined)));
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
