import type { SigningKey } from '../tokens/signing-key.entity.js';

/** In ms: every process has loaded a key that is this old. */
const LOADED_AFTER = 5_000;

/** Clock skew, in ms: a key that is created later than this by our clock is from before it stepped back. */
const MAX_SKEW = 60_000;

/**
 * Key rotation: the keys of cookies, the signing key first; all of them verify. A new key signs once every
 * process has loaded it: a process drops a cookie whose key it does not know, and with it the login. While no
 * key is old enough, the oldest signs, which most processes have loaded.
 *
 * @param keys of all purposes, the newest first
 */
export function cookieKeysOf(keys: readonly SigningKey[], now = Date.now()): SigningKey[] {
  const cookieKeys = keys.filter(({ purpose }) => purpose === 'cookie');
  const isLoaded = ({ createdAt }: SigningKey) => {
    const age = now - createdAt.getTime();
    return age > LOADED_AFTER || age < -MAX_SKEW;
  };
  return [...cookieKeys.filter(isLoaded), ...cookieKeys.filter((key) => !isLoaded(key)).reverse()];
}
