/** For `bigint` columns, which `pg` reads as text: ours stay below 2^53. */
export const bigint = { to: (value: number | null) => value, from: (value: string) => Number(value) };
