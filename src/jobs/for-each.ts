/**
 * Handles one thing after the other, all of them: what fails does not keep the rest waiting, such as a follower whose
 * feed is locked. The first failure is thrown at the end, so that the job is tried again.
 */
export async function forEach<T>(things: Iterable<T>, handle: (thing: T) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  for (const thing of things) await handle(thing).catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw failures[0];
}
