import { Readable } from 'node:stream';
import type { Reservation } from '../http/fair-limit.js';

/** A record of a page: its id, and the bytes of its `data` and `metadata`. */
export interface PageEntry {
  id: string;
  bytes: number;
}

/** Bytes of records that are read at once. A record may be larger. */
export const BATCH_BYTES = 256 * 1_024;

/** The envelope of a page, and the name of its last member: the list of records. */
export interface PageFrame {
  envelope: object;
  list: string;
}

const startOf = ({ envelope, list }: PageFrame) => `${JSON.stringify(envelope).slice(0, -1)},"${list}":[`;
const END = ']}';

/** The JSON text of a page. @param records JSON texts, separated by commas */
export const smallPage = (frame: PageFrame, records: string) => startOf(frame) + records + END;

/**
 * The JSON text of a page of records, however large they are: 100 records of 1 MiB must not be in memory at once.
 * Records are read in batches of 256 KiB, the next one when the client has taken the last; a stream if there are
 * several. A record that is deleted meanwhile is left out.
 *
 * @param read JSON texts of records by id; those that are gone are left out
 * @param memory of the answer: holds the largest batch
 */
export async function largePage(
  frame: PageFrame,
  entries: readonly PageEntry[],
  read: (ids: string[]) => Promise<string[]>,
  memory: Reservation,
): Promise<string | Readable> {
  const batches = batchesOf(entries);
  // A batch is there as rows, as text and as bytes on their way to the client.
  await memory.resize(3 * Math.max(BATCH_BYTES / 4, ...batches.map(({ bytes }) => bytes)));
  const [first = [], ...rest] = batches.map(({ ids }) => ids);
  const firstRecords = first.length > 0 ? await read(first) : [];
  if (rest.length === 0) return smallPage(frame, firstRecords.join());
  async function* stream(): AsyncGenerator<string> {
    // Each part by itself: joined to its neighbours, a record of 1 MiB would be copied twice more.
    yield startOf(frame);
    yield firstRecords.join();
    let isFirst = firstRecords.length === 0;
    for (const ids of rest) {
      const records = await read(ids);
      if (records.length === 0) continue;
      if (!isFirst) yield ',';
      yield records.join();
      isFirst = false;
    }
    yield END;
  }
  return Readable.from(stream(), { objectMode: false });
}

/** Consecutive entries of up to BATCH_BYTES, at least one. */
function batchesOf(entries: readonly PageEntry[]): { ids: string[]; bytes: number }[] {
  const batches: { ids: string[]; bytes: number }[] = [];
  for (const { id, bytes } of entries) {
    const last = batches.at(-1);
    if (last && last.bytes + bytes <= BATCH_BYTES) {
      last.ids.push(id);
      last.bytes += bytes;
    } else batches.push({ ids: [id], bytes });
  }
  return batches;
}
