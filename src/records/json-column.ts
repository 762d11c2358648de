import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '../api/rules.js';

/**
 * The value of a JSON column. TypeORM asks values that have `equals` whether they have changed; its own comparison of
 * plain objects fails at a member called `hasOwnProperty`, and takes `constructor` and `prototype` for changed.
 */
export class JsonColumn {
  constructor(readonly value: JsonObject) {}

  /** Whatever the order of members. */
  equals(other: JsonColumn): boolean {
    return isDeepStrictEqual(this.value, other.value);
  }

  static readonly transformer = {
    to: (column: JsonColumn) => column.value,
    from: (value: JsonObject) => new JsonColumn(value),
  };
}
