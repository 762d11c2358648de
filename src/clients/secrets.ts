import { hash, randomBytes } from 'node:crypto';

/** A secret of 256 random bits. The prefix is our own, so that a leaked one is recognised by scanners and people. */
const generate = (prefix: string) => prefix + randomBytes(32).toString('base64url');

export const API_KEY = /^tdm_[\w-]{43}$/;

export const generateApiKey = () => generate('tdm_');

export const generateClientSecret = () => generate('tdms_');

/** What is stored of a secret. A plain hash is enough: 256 random bits cannot be guessed. */
export const hashSecret = (secret: string) => hash('sha256', secret, 'buffer');
