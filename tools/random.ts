import { createHash } from 'node:crypto';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** Random choices that the same seed repeats. */
export class Random {
  private readonly generator;

  constructor(private readonly seed: string | number) {
    this.generator = xoroshiro128plus(createHash('sha256').update(String(seed)).digest().readInt32LE());
  }

  /** Choices of one actor: they stay the same however much the others draw. */
  of(actor: string): Random {
    return new Random(`${this.seed}/${actor}`);
  }

  /** Both ends included. */
  integer(from: number, to: number): number {
    return uniformInt(this.generator, from, to);
  }

  chance(probability: number): boolean {
    return uniformFloat64(this.generator) < probability;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.integer(0, from.length - 1)];
  }

  /** One of the names, as often as their weights say. */
  weighted<Name extends string>(weights: Record<Name, number>): Name {
    const entries = Object.entries(weights) as [Name, number][];
    let dice = this.integer(
      1,
      entries.reduce((sum, [, weight]) => sum + weight, 0),
    );
    return entries.find(([, weight]) => (dice -= weight) <= 0)![0];
  }

  shuffled<T>(things: readonly T[]): T[] {
    const result = [...things];
    for (let n = result.length - 1; n > 0; n--) {
      const m = this.integer(0, n);
      [result[n], result[m]] = [result[m], result[n]];
    }
    return result;
  }
}
