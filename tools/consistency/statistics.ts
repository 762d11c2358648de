import type { Operation, Outcome } from './model.js';

const NO_OPERATIONS = { acknowledged: 0, rejected: 0, unknown: 0 };
const NO_POLLS = { polls: 0, items: 0, retries: 0, contents: 0 };

/** Counts of a run. */
export class Statistics {
  readonly operations: Record<string, Record<Outcome, number>> = {};
  readonly followers: Record<string, typeof NO_POLLS> = {};
  readonly faults: Record<string, { injected: number; aborted: number }> = {};
  /** Time until every copy was exact, in s, and the last obstacle. */
  convergence?: { seconds: number; last: string };
  /** Responses with status 500: always wrong, whatever happens to the database. */
  internalErrors = 0;

  countOperation(operation: Operation, outcome: Outcome, status: number): void {
    (this.operations[operation] ??= { ...NO_OPERATIONS })[outcome]++;
    this.countStatus(status);
  }

  countPoll(style: string, counts: Partial<typeof NO_POLLS>): void {
    const sums = (this.followers[style] ??= { ...NO_POLLS });
    for (const [name, count] of Object.entries(counts)) sums[name as keyof typeof NO_POLLS] += count;
  }

  /** @param isComplete false if another fault aborted it */
  countFault(fault: string, isComplete: boolean): void {
    const counts = (this.faults[fault] ??= { injected: 0, aborted: 0 });
    counts.injected++;
    if (!isComplete) counts.aborted++;
  }

  countStatus(status: number): void {
    if (status === 500) this.internalErrors++;
  }
}
