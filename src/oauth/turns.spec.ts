import { expect, it } from '@jest/globals';
import { Turns } from './turns.js';

/** Work that ends when it is told to. */
function start(turns: Turns, isUrgent = false) {
  let end = () => {};
  const ended = turns.run(isUrgent, () => new Promise<void>((resolve) => (end = resolve)));
  return { end: () => end(), ended };
}

it('runs so many at a time, urgent work first, then in the order of arrival', async () => {
  const turns = new Turns(2, 10);
  const order: string[] = [];
  const holders = [start(turns), start(turns)];
  const rest = [
    ['first', false],
    ['second', false],
    ['urgent', true],
  ] as const;
  const work = rest.map(([name, isUrgent]) => turns.run(isUrgent, async () => void order.push(name)));
  await new Promise(setImmediate);
  expect(order).toEqual([]);
  holders[0].end();
  await Promise.all(work);
  expect(order).toEqual(['urgent', 'first', 'second']);
  holders[1].end();
  await Promise.all(holders.map(({ ended }) => ended));
});

it('refuses what exceeds the limit, but no urgent work, and goes on after failures', async () => {
  const turns = new Turns(1, 1);
  const holder = start(turns);
  const failing = turns.run(false, () => Promise.reject(new Error('failed')));
  await expect(turns.run(false, async () => {})).rejects.toMatchObject({ status: 503 });
  const urgent = turns.run(true, async () => 'done');
  holder.end();
  expect(await urgent).toBe('done');
  await expect(failing).rejects.toThrow('failed');
  expect(await turns.run(false, async () => 'next')).toBe('next');
});
