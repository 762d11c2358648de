import { hash, randomBytes } from 'node:crypto';

/** A secret of 256 random bits. The prefix lets people and secret scanners recognise a leaked one. */
const generate = (prefix: string) => prefix + randomBytes(32).toString('base64url');

export const API_KEY = /^tdm_[\w-]{43}$/;

export const generateApiKey = () => generate('tdm_');

export const generateClientSecret = () => generate('tdms_');

/** SHA-256, the stored form of a secret. A slow hash is not needed: 256 random bits cannot be guessed. */
export const hashSecret = (secret: string) => hash('sha256', secret, 'buffer');
