import { hash, randomBytes } from 'node:crypto';

/** Our own prefix, so that a leaked key is recognised by scanners and people. */
const PREFIX = 'tdm_';

export const API_KEY = /^tdm_[\w-]{43}$/;

/** A new key of 256 random bits. */
export const generateApiKey = () => PREFIX + randomBytes(32).toString('base64url');

/** What is stored of a key. A plain hash is enough: 256 random bits cannot be guessed. */
export const hashApiKey = (key: string) => hash('sha256', key, 'buffer');
