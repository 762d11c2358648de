import { describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { FairLimit } from './fair-limit.js';

const limitOf = (total: number, share: number) =>
  new FairLimit({ name: 'test', total, share, maxWait: 3_000, problem: 'Too many.' });

describe('FairLimit', () => {
  it('never admits more than the total, or the share of a caller, and admits everything in the end', async () => {
    const request = fc.record({
      owner: fc.integer({ min: 1, max: 4 }),
      weight: fc.integer({ min: 1, max: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request), fc.array(fc.nat()), async (requests, order) => {
        const limit = limitOf(10, 5);
        const running: { owner: number; weight: number; release: () => void }[] = [];
        let admitted = 0;
        for (const each of requests)
          void limit.acquire(each.owner, each.weight).then(({ release }) => {
            admitted++;
            running.push({ ...each, release });
          });
        for (let i = 0; ; i++) {
          await new Promise(setImmediate);
          const sum = (owner?: number) =>
            running.reduce(
              (all, each) => all + (owner === undefined || each.owner === owner ? each.weight : 0),
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

  it('gives callers their turns in rounds: a single request passes a long queue of another caller', async () => {
    const limit = limitOf(1, 1);
    const { release } = await limit.acquire('busy');
    const order: string[] = [];
    const all = [...Array<string>(100).fill('busy'), 'quiet'].map((owner) =>
      limit.run(owner, async () => void order.push(owner)),
    );
    release();
    await Promise.all(all);
    expect(order.indexOf('quiet')).toBeLessThanOrEqual(1);
    expect(order).toHaveLength(101);
  });

  it('admits everything that fits when much becomes free at once', async () => {
    const limit = limitOf(10, 10);
    const { release } = await limit.acquire('a', 10);
    const waiting = Array.from({ length: 10 }, (_, i) => limit.acquire(`b${i % 2}`));
    release();
    expect(await Promise.all(waiting)).toHaveLength(10);
  });

  it('refuses what has waited for 3 s, and lets callers whose share is free pass meanwhile', async () => {
    jest.useFakeTimers();
    try {
      const limit = limitOf(10, 5);
      const { release } = await limit.acquire('a', 5);
      const waiting = limit.acquire('a', 1);
      const refused = expect(waiting).rejects.toMatchObject({ status: 503, headers: { 'Retry-After': '5' } });
      (await limit.acquire('b', 5)).release();
      jest.advanceTimersByTime(3_000);
      await refused;
      release();
      (await limit.acquire('a', 5)).release();
    } finally {
      jest.useRealTimers();
    }
  });

  it('changes the weight of a reservation: a smaller one at once, a larger one in its turn', async () => {
    const limit = limitOf(10, 10);
    const first = await limit.acquire('a', 8);
    const second = limit.acquire('b', 5);
    await first.resize(5);
    const { release } = await second;
    let isLarger = false;
    const larger = first.resize(6).then(() => (isLarger = true));
    await new Promise(setImmediate);
    expect(isLarger).toBe(false);
    release();
    await larger;
    first.release();
    first.release();
    (await limit.acquire('c', 10)).release();
  });

  it('gives back what a reservation that was released meanwhile has waited for', async () => {
    const limit = limitOf(10, 10);
    const { release } = await limit.acquire('a', 6);
    const gone = await limit.acquire('b', 1);
    const larger = gone.resize(8);
    gone.release();
    release();
    await larger;
    (await limit.acquire('c', 10)).release();
  });

  it('gives what weighs more than the share all of the share, alone', async () => {
    const limit = limitOf(10, 5);
    const { release } = await limit.acquire('a', 1);
    let isAdmitted = false;
    const heavy = limit.acquire('a', 9).finally(() => (isAdmitted = true));
    await new Promise(setImmediate);
    expect(isAdmitted).toBe(false);
    release();
    const reservation = await heavy;
    (await limit.acquire('b', 5)).release();
    await reservation.resize(100);
    reservation.release();
    (await limit.acquire('a', 5)).release();
  });
});
