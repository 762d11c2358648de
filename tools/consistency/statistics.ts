import type { Operation, Outcome } from './model.js';

const NO_OPERATIONS = { acknowledged: 0, refused: 0, unknown: 0 };
const NO_POLLS = { polls: 0, items: 0, retries: 0, contents: 0 };

/** What a run has done. */
export class Statistics {
  readonly operations: Record<string, Record<Outcome, number>> = {};
  readonly followers: Record<string, typeof NO_POLLS> = {};
  readonly faults: Record<string, { injected: number; cutShort: number }> = {};
  /** How long it took until everything had arrived, in s, and what came last. */
  settling?: { seconds: number; last: string };
  /** Answers with 500: never right, whatever happens to the database. */
  internalErrors = 0;

  countOperation(operation: Operation, outcome: Outcome, status: number): void {
    (this.operations[operation] ??= { ...NO_OPERATIONS })[outcome]++;
    this.countStatus(status);
  }

  countPoll(style: string, counts: Partial<typeof NO_POLLS>): void {
    const sums = (this.followers[style] ??= { ...NO_POLLS });
    for (const [name, count] of Object.entries(counts)) sums[name as keyof typeof NO_POLLS] += count;
  }

  countFault(fault: string, isWhole: boolean): void {
    const counts = (this.faults[fault] ??= { injected: 0, cutShort: 0 });
    counts.injected++;
    if (!isWhole) counts.cutShort++;
  }

  countStatus(status: number): void {
    if (status === 500) this.internalErrors++;
  }
}
