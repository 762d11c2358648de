import { isDeepStrictEqual } from 'node:util';
import type { Client } from './client.js';
import { Copy, difference, itemIdOf } from './feed.js';
import type { Follower } from './follower.js';
import { contentOf, type Developer, type KnownRecord, type Model } from './model.js';
import { NotConverged, readServerState, type ServerState } from './server-state.js';
import { verifyCollection, verifyShares } from './verify-access.js';
import { verifyOrder, verifyWrites } from './verify-writes.js';

/**
 * Final comparison: the server's state with the acknowledged writes, and each copy with the server's state.
 */
export class Verification {
  constructor(
    private readonly model: Model,
    private readonly followers: readonly Follower[],
    private readonly clients: ReadonlyMap<Developer, Client>,
  ) {}

  /** @throws Violation, NotConverged */
  async run(): Promise<void> {
    const { model } = this;
    const states: ServerState[] = [];
    for (const developer of model.developers) states.push(await this.read(developer));
    const records = new Map<number, KnownRecord>();
    for (const state of states) {
      this.verifyFollowers(state);
      for (const [item, record] of verifyWrites(model, state)) records.set(item, record);
      verifyOrder(model, state);
    }
    for (const state of states) {
      await verifyCollection(model, state, records, this.followersOf(state.developer));
      await verifyShares(model, state);
    }
  }

  private async read(developer: Developer): Promise<ServerState> {
    const state = await readServerState(developer, this.clients.get(developer)!);
    const isBehind = this.followersOf(developer).some((follower) => follower.until !== state.until);
    if (isBehind) throw new NotConverged('a follower is behind');
    return state;
  }

  private followersOf({ feed }: Developer): Follower[] {
    return this.followers.filter((follower) => follower.feed === feed);
  }

  /** Every follower has the copy that results from reading the whole feed. */
  private verifyFollowers({ developer, items, copy, records }: ServerState): void {
    const compare = (
      actual: Map<string, string>,
      expected: Map<string, string>,
      follower: string,
      moment: string,
    ) => {
      const wrong = difference(actual, expected);
      if (!wrong) return;
      const { key, actual: has, expected: shouldHave } = wrong;
      developer.feed.fail(
        'lost',
        `the copy of ${follower}${moment} has ${has} for ${key}, but should have ${shouldHave}`,
        { item: itemIdOf(key), follower, datetime: shouldHave === 'nothing' ? undefined : shouldHave },
      );
    };
    for (const follower of this.followersOf(developer)) {
      const wanted = [...copy.entries].filter(([, item]) => follower.wants(item.item_type));
      const expected = new Map(wanted.map(([key, item]) => [key, item.datetime]));
      compare(follower.copy.summary(), expected, follower.name, '');
      for (const snapshot of follower.snapshots) {
        const past = new Copy(developer.feed);
        for (const item of items) if (item.datetime <= snapshot.until) past.apply(item, false, follower.name);
        compare(
          snapshot.copy,
          past.summary(),
          follower.name,
          `, after a compact start up to ${snapshot.until},`,
        );
      }
      for (const [key, item] of follower.style.isFetching ? copy.entries : []) {
        const page = follower.contents.get(item.item_id);
        const record = [...records.values()].find(({ id }) => id === page?.record_id);
        if (!key.startsWith('own') || (record && isDeepStrictEqual(contentOf(page!), contentOf(record))))
          continue;
        developer.feed.fail(
          'content',
          `${follower.name} does not have the latest content of item ${item.item_id}`,
          { item: item.item_id, follower: follower.name },
        );
      }
    }
  }
}
