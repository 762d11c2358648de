import { describe, expect, it } from '@jest/globals';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { coalesce } from './coalesce.js';

/** A look-up whose queries end when they are told to. */
function controlled(max?: number) {
  const queries: { keys: readonly number[]; end: (error?: Error) => void }[] = [];
  const loader = coalesce<number, number>(
    (keys) =>
      new Promise((resolve, reject) =>
        queries.push({
          keys,
          end: (error) => (error ? reject(error) : resolve(keys.map((key) => key * 10))),
        }),
      ),
    max,
  );
  return { queries, loader };
}

describe('batched', () => {
  it('sends one query for what arrives together', async () => {
    const { queries, loader } = controlled();
    const answers = Promise.all([loader.load(1), loader.load(2), loader.load(1)]);
    await nextTurn();
    await nextTurn();
    expect(queries.map(({ keys }) => keys)).toEqual([[1, 2, 1]]);
    queries[0].end();
    expect(await answers).toEqual([10, 20, 10]);
  });

  it('gathers while two queries are on their way, and never answers with one sent before the question', async () => {
    const { queries, loader } = controlled();
    const answers: Promise<number>[] = [];
    for (const key of [1, 2, 3, 4]) {
      answers.push(loader.load(key));
      await nextTurn();
      await nextTurn();
    }
    expect(queries.map(({ keys }) => keys)).toEqual([[1], [2]]);
    queries[1].end();
    expect(await answers[1]).toBe(20);
    await nextTurn();
    expect(queries.map(({ keys }) => keys)).toEqual([[1], [2], [3, 4]]);
    queries[0].end();
    queries[2].end();
    expect(await Promise.all(answers)).toEqual([10, 20, 30, 40]);
  });

  it('goes on after a query that failed, with no more keys in one than it may have', async () => {
    const { queries, loader } = controlled(2);
    const answers = Promise.allSettled([1, 2, 3, 4, 5].map((key) => loader.load(key)));
    await nextTurn();
    await nextTurn();
    expect(queries.map(({ keys }) => keys)).toEqual([
      [1, 2],
      [3, 4],
    ]);
    queries[0].end(new Error('the connection is lost'));
    await nextTurn();
    await nextTurn();
    expect(queries[2].keys).toEqual([5]);
    queries[1].end();
    queries[2].end();
    expect(
      (await answers).map((answer) => (answer.status === 'fulfilled' ? answer.value : 'failed')),
    ).toEqual([...['failed', 'failed'], ...[30, 40, 50]]);
  });
});
