import DataLoader from 'dataloader';

/**
 * Look-ups that arrive together share one query, sent after the last of them has arrived: each gets what is true after
 * it asked. Nothing is kept.
 *
 * @param read the results, in the order of the keys
 * @param max keys in one query
 */
export const batched = <Key, Value>(read: (keys: readonly Key[]) => Promise<Value[]>, max = Infinity) =>
  new DataLoader<Key, Value>(read, {
    cache: false,
    batchScheduleFn: (send) => setImmediate(send),
    maxBatchSize: max,
  });
