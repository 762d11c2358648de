import { config } from '../config.js';

/** What access tokens of the built-in authorization server are for (`aud`), and the one OAuth resource (RFC 8707). */
export const audience = () => `${config.PUBLIC_URL}/api/v1`;
