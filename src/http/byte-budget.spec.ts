import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { ByteBudget } from './byte-budget.js';

describe('ByteBudget', () => {
  it('never admits more than the total, or the share of a caller, and admits everything in the end', async () => {
    const request = fc.record({
      owner: fc.integer({ min: 1, max: 4 }),
      bytes: fc.integer({ min: 1, max: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request), fc.array(fc.nat()), async (requests, order) => {
        const budget = new ByteBudget(10, 5);
        const running: { owner: number; bytes: number; release: () => void }[] = [];
        let admitted = 0;
        for (const each of requests)
          void budget.acquire(each.owner, each.bytes).then((release) => {
            admitted++;
            running.push({ ...each, release });
          });
        for (let i = 0; ; i++) {
          await new Promise(setImmediate);
          const sum = (owner?: number) =>
            running.reduce(
              (all, each) => all + (owner === undefined || each.owner === owner ? each.bytes : 0),
              0,
            );
          expect(sum()).toBeLessThanOrEqual(10);
          for (let owner = 1; owner <= 4; owner++) expect(sum(owner)).toBeLessThanOrEqual(5);
          if (running.length === 0) break;
          running.splice((order[i] ?? 0) % running.length, 1)[0].release();
        }
        expect(admitted).toBe(requests.length);
      }),
      { seed: Number(process.env.TEST_SEED) },
    );
  });

  it('refuses what has waited for 3 s, and lets callers with bytes left pass meanwhile', async () => {
    jest.useFakeTimers();
    try {
      const budget = new ByteBudget(10, 5);
      const release = await budget.acquire('a', 5);
      const waiting = budget.acquire('a', 1);
      const refused = expect(waiting).rejects.toMatchObject({ status: 503, headers: { 'Retry-After': '5' } });
      (await budget.acquire('b', 5))();
      jest.advanceTimersByTime(3_000);
      await refused;
      release();
      (await budget.acquire('a', 5))();
    } finally {
      jest.useRealTimers();
    }
  });
});
