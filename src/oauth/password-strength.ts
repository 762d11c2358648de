import type { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { config } from '../config.js';

/**
 * Guesses that a password must withstand. An attacker who has one guess every 8 s from each of 1,000 networks
 * needs 90 days for so many (login-throttle.service.ts).
 */
const MIN_GUESSES = 1e9;

/**
 * DoS: characters that are looked at, and combinations of substituted characters (`p4$$w0rd`) that are tried.
 * The cost grows with the square of the length: 200 characters would block the event loop for 200 ms, 32 do
 * for 10 to 25. A password whose beginning cannot be guessed is strong.
 */
const MAX_LENGTH = 32;
const MAX_SUBSTITUTIONS = 10;

let estimator: Promise<ZxcvbnFactory> | undefined;

/** At the first use, because the dictionaries take 40 MB and 200 ms: most processes set no password. */
async function load(): Promise<ZxcvbnFactory> {
  const { ZxcvbnFactory } = await import('@zxcvbn-ts/core');
  const common = await import('@zxcvbn-ts/language-common');
  const english = await import('@zxcvbn-ts/language-en');
  return new ZxcvbnFactory({
    // The other English lists, such as last names, take as much memory again and refuse little more.
    dictionary: { ...common.dictionary, words: english.dictionary['commonWords-en'] },
    graphs: common.adjacencyGraphs,
    l33tMaxSubstitutions: MAX_SUBSTITUTIONS,
  });
}

/**
 * Guessing attacks (NIST SP 800-63B, section 5.1.1.2): refuses common passwords and words, repetitions, rows
 * of keys, the name of the account and of this service, and simple variations of them. No rule demands digits.
 *
 * @param names of the account
 */
export async function isWeak(password: string, names: readonly string[]): Promise<boolean> {
  const { hostname } = new URL(config.PUBLIC_URL);
  const known = [...names, 'tidemark', config.SERVICE_NAME, hostname].flatMap(partsOf);
  estimator ??= load();
  return (await estimator).check(password.slice(0, MAX_LENGTH), known).guesses < MIN_GUESSES;
}

/** `planner-inc`: itself, `plannerinc`, `planner` and `inc`. Shorter parts would match everywhere. */
function partsOf(name: string): string[] {
  const words = name.split(/[^\p{L}\p{N}]+/u).filter((word) => word.length > 2);
  return [name, words.join(''), ...words].filter((part) => part !== '');
}
