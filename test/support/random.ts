/** Numbers from 0 to 1 (mulberry32), the same ones for the same TEST_SEED. */
export function seededRandom(): () => number {
  let seed = Number(process.env.TEST_SEED);
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
