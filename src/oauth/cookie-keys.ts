import type { ServerKey } from '../tokens/server-key.entity.js';

/** In ms: after so long every process knows a key. */
const KNOWN_AFTER = 5_000;

/**
 * The keys that sign the cookies of people who log in: the first one signs, all are believed. A new one signs when every
 * process believes it: unlike a token, a cookie that a process does not know is gone, and with it the login that it is
 * about. Until one is old enough, the oldest signs, which most processes know.
 *
 * @param keys the newest first
 */
export function cookieKeysOf(keys: readonly ServerKey[], now = Date.now()): ServerKey[] {
  const ofCookies = keys.filter(({ purpose }) => purpose === 'cookie');
  const isKnown = ({ createdAt }: ServerKey) => now - createdAt.getTime() > KNOWN_AFTER;
  return [...ofCookies.filter(isKnown), ...ofCookies.filter((key) => !isKnown(key)).reverse()];
}
