/** Transformer of `bigint` columns, which `pg` reads as text. Our values stay below 2^53. */
export const bigint = { to: (value: number | null) => value, from: (value: string) => Number(value) };
