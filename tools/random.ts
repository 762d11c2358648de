import { createHash } from 'node:crypto';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** Seeded pseudo-random generator: the same seed repeats the same choices. */
export class Random {
  private readonly generator;

  constructor(private readonly seed: string | number) {
    this.generator = xoroshiro128plus(createHash('sha256').update(String(seed)).digest().readInt32LE());
  }

  /** Independent generator for one actor: its choices do not depend on how many numbers other actors draw. */
  fork(actor: string): Random {
    return new Random(`${this.seed}/${actor}`);
  }

  /** An integer from the closed interval [from, to]. */
  integer(from: number, to: number): number {
    return uniformInt(this.generator, from, to);
  }

  chance(probability: number): boolean {
    return uniformFloat64(this.generator) < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.integer(0, from.length - 1)];
  }

  /** Picks a name with a probability proportional to its weight. */
  weighted<Name extends string>(weights: Record<Name, number>): Name {
    const entries = Object.entries(weights) as [Name, number][];
    let remaining = this.integer(
      1,
      entries.reduce((sum, [, weight]) => sum + weight, 0),
    );
    return entries.find(([, weight]) => (remaining -= weight) <= 0)![0];
  }

  /** A shuffled copy (Fisher-Yates). */
  shuffled<T>(values: readonly T[]): T[] {
    const result = [...values];
    for (let n = result.length - 1; n > 0; n--) {
      const m = this.integer(0, n);
      [result[n], result[m]] = [result[m], result[n]];
    }
    return result;
  }
}
