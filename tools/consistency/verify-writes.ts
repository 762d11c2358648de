import { isDeepStrictEqual } from 'node:util';
import { normalizeDatetime } from './client.js';
import { changeOf, difference, formatChange, type Item } from './feed.js';
import { type Content, contentOf, FIELDS, type KnownRecord, type Model, type Write } from './model.js';
import type { RecordBody, ServerState } from './server-state.js';

/**
 * Every acknowledged write is in the feed and in the records, and nothing else is.
 *
 * @returns the known records of this developer, by item id
 * @throws Violation
 */
export function verifyWrites(model: Model, state: ServerState): Map<number, KnownRecord> {
  const { developer, items, copy, records } = state;
  /** The own changes, by key of their entry. */
  const chains = new Map<string, Item[]>();
  for (const item of items) {
    const key = copy.keyOf(item);
    if (key.startsWith('own')) chains.set(key, [...(chains.get(key) ?? []), item]);
  }
  const byCreation = new Map([...chains.values()].map((chain) => [chain[0].datetime, chain]));
  const known = new Map<number, KnownRecord>();
  for (const record of model.recordsOf(developer)) {
    const chain = byCreation.get(record.createdAt);
    if (!chain) model.fail('lost', 'its acknowledged creation is not in the feed', record, record.createdAt);
    known.set(chain[0].item_id, record);
    record.created.entry.item = chain[0].item_id;
    verifyChain(model, record, chain, records.get(record.createdAt));
  }
  const own = [...copy.summary()].filter(([key]) => key.startsWith('own'));
  const wrong = difference(
    new Map(
      [...records.values()].map((record) => [
        normalizeDatetime(record.createdAt),
        normalizeDatetime(record.updatedAt),
      ]),
    ),
    new Map(own.map(([key, datetime]) => [chains.get(key)![0].datetime, datetime])),
  );
  if (wrong)
    developer.feed.fail(
      'not-atomic',
      `item created at ${wrong.key}: the records have ${wrong.actual} and the feed has ${wrong.expected}`,
      { datetime: wrong.key, item: byCreation.get(wrong.key)?.[0].item_id },
    );
  verifyUnknownCreations(model, state, byCreation, known);
  return known;
}

/**
 * Each remaining item must come from a creation with an unknown outcome. No other client knows its id, so it
 * has exactly one change.
 */
function verifyUnknownCreations(
  model: Model,
  { developer, records }: ServerState,
  byCreation: Map<string, Item[]>,
  known: Map<number, KnownRecord>,
): void {
  const creations = model.unknownCreations.filter(({ owner }) => owner === developer);
  for (const [createdAt, chain] of byCreation) {
    if (known.has(chain[0].item_id)) continue;
    const body = records.get(createdAt);
    const index = creations.findIndex(
      ({ write }) => body && isDeepStrictEqual(contentOf(body), write.content),
    );
    if (index < 0 || chain.length > 1)
      developer.feed.fail('not-atomic', `${formatChange(changeOf(chain[0]))} belongs to no write`, {
        datetime: createdAt,
        item: chain[0].item_id,
      });
    creations.splice(index, 1);
  }
}

/** The changes of one record, in feed order, follow from its writes. */
function verifyChain(model: Model, record: KnownRecord, chain: Item[], body: RecordBody | undefined): void {
  const fail: typeof model.fail = (...violation) => model.fail(...violation);
  const withOutcome = (operation: Write['operation'], outcome: Write['outcome']) =>
    record.writes.filter((write) => write.operation === operation && write.outcome === outcome);
  const unknownPatches = withOutcome('patch', 'unknown');
  const deletions = withOutcome('delete', 'acknowledged');
  /** By field, the values that it may have. */
  const possible = Object.fromEntries(FIELDS.map((field) => [field, [record.created.content[field]]]));
  const expectPossible = (content: Content, where: string, datetime: string) => {
    const field = FIELDS.find(
      (name) => !possible[name].some((value) => isDeepStrictEqual(value, content[name])),
    );
    if (field !== undefined)
      fail('content', `its ${field} ${where} is ${JSON.stringify(content[field])}`, record, datetime);
  };
  const patches = new Map(withOutcome('patch', 'acknowledged').map((write) => [write.tick, write]));
  let unexplained = 0;
  for (const [n, { action, datetime }] of chain.entries()) {
    if (action === 'deleted') {
      const [deletion, another] = deletions;
      if (another) fail('order', 'two deletions of it were acknowledged', record);
      if (!deletion && withOutcome('delete', 'unknown').length === 0)
        fail('not-atomic', 'the feed says "deleted", but no client deleted it', record, datetime);
      if (deletion) deletion.tick = datetime;
    }
    if (action !== 'updated') continue;
    const write = patches.get(datetime);
    patches.delete(datetime);
    if (write?.ifMatch !== undefined && write.ifMatch !== chain[n - 1].datetime)
      fail(
        'order',
        `a PATCH with If-Match of version ${write.ifMatch} changed version ${chain[n - 1].datetime}`,
        record,
        datetime,
      );
    if (!write && ++unexplained > unknownPatches.length)
      fail('not-atomic', `the "updated" at ${datetime} belongs to no write`, record, datetime);
    for (const field of FIELDS) {
      if (!write) possible[field].push(...unknownPatches.flatMap(({ content }) => content[field] ?? []));
      else if (field in write.content) possible[field] = [write.content[field]];
    }
    if (write) expectPossible(write.responseContent!, 'in the response', datetime);
  }
  const [lost] = patches.keys();
  if (lost !== undefined) fail('lost', `its acknowledged PATCH at ${lost} is not in the feed`, record, lost);
  const { action, datetime } = chain.at(-1)!;
  if (action !== 'deleted' && deletions.length > 0)
    fail('lost', 'its acknowledged deletion is not in the feed', record);
  if (action !== 'deleted' && body) {
    if (body.id !== record.id) fail('content', `its id is now ${body.id}`, record, datetime);
    expectPossible(contentOf(body), 'in the end', datetime);
  }
}

/**
 * Real-time order: a write that was acknowledged before another one was sent precedes it in the feed.
 *
 * @throws Violation
 */
export function verifyOrder(model: Model, { developer }: ServerState): void {
  const dated = model
    .recordsOf(developer)
    .flatMap((record) => [record.created, ...record.writes].map((write) => ({ record, write })))
    .filter(({ write }) => write.outcome === 'acknowledged' && write.tick !== undefined);
  const bySent = dated.toSorted((a, b) => a.write.entry.sent - b.write.entry.sent);
  const byDone = dated.toSorted((a, b) => a.write.entry.done! - b.write.entry.done!);
  let next = 0;
  let latest = '';
  for (const { record, write } of bySent) {
    for (; byDone[next].write.entry.done! < write.entry.sent; next++)
      if (byDone[next].write.tick! > latest) latest = byDone[next].write.tick!;
    if (write.tick! <= latest)
      model.fail(
        'order',
        `its ${write.operation} at ${write.tick} was sent after the change at ${latest} was acknowledged`,
        record,
        write.tick,
      );
  }
}
