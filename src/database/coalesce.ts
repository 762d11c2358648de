import DataLoader from 'dataloader';

/** Queries at a time. Two: PostgreSQL works on one while this process reads the other. */
const MAX_RUNNING = 2;

/**
 * Request coalescing: look-ups that arrive together share one query, sent after the last of them has arrived,
 * so that each gets a state that is not older than its own start. Nothing is cached. While two queries run,
 * the next look-ups gather: the busier the server, the more of them share one query.
 *
 * @param read the results, in the order of the keys
 * @param max keys in one query
 */
export function coalesce<Key, Value>(read: (keys: readonly Key[]) => Promise<Value[]>, max = Infinity) {
  let running = 0;
  const waiting: (() => void)[] = [];
  const sendNext = () => {
    const send = running < MAX_RUNNING ? waiting.shift() : undefined;
    if (!send) return;
    running++;
    setImmediate(send);
  };
  const readAndGoOn = async (keys: readonly Key[]) => {
    try {
      return await read(keys);
    } finally {
      running--;
      sendNext();
    }
  };
  return new DataLoader<Key, Value>(readAndGoOn, {
    cache: false,
    batchScheduleFn: (send) => {
      waiting.push(send);
      sendNext();
    },
    maxBatchSize: max,
  });
}

/** Rows in the order of the keys that they were looked up by. @returns undefined where there is no row */
export function inOrder<Row>(keys: readonly string[], rows: readonly Row[], keyOf: (row: Row) => string) {
  const found = new Map(rows.map((row) => [keyOf(row), row]));
  return keys.map((key) => found.get(key));
}
