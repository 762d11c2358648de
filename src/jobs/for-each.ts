/**
 * Handles one thing after the other, all of them: a failure, such as of a follower whose feed is locked, does
 * not hold up the rest. The first failure is thrown at the end, so that the job is retried.
 */
export async function forEach<T>(things: Iterable<T>, handle: (thing: T) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  for (const thing of things) await handle(thing).catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}
