import { config } from '../config.js';

/** The `aud` of own access tokens, and the only OAuth resource (RFC 8707). */
export const audience = () => `${config.PUBLIC_URL}/api/v1`;
