import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '../api/rules.js';

/**
 * Value of a JSON column. TypeORM compares values with `equals` if they have it. Its own comparison of plain
 * objects throws at a member `hasOwnProperty`, and reports members `constructor` and `prototype` as changed.
 */
export class JsonColumn {
  constructor(readonly value: JsonObject) {}

  /** Bytes of the text that is stored: compact JSON. */
  get bytes(): number {
    return Buffer.byteLength(JSON.stringify(this.value));
  }

  /** The order of members does not matter. */
  equals(other: JsonColumn): boolean {
    return isDeepStrictEqual(this.value, other.value);
  }

  static readonly transformer = {
    to: (column: JsonColumn) => column.value,
    from: (value: JsonObject) => new JsonColumn(value),
  };
}
