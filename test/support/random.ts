/** Pseudo-random numbers from [0, 1) (mulberry32), seeded with TEST_SEED. */
export function seededRandom(): () => number {
  let seed = Number(process.env.TEST_SEED);
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
