import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import { config } from '../config.js';

/*
 * CORS (Fetch standard): which pages of other origins may call this server, by CORS_ORIGINS. Never with cookies:
 * `Access-Control-Allow-Credentials` is not sent. Routes of login pages have `cors: false`.
 */

const ORIGINS = config.CORS_ORIGINS;
const ANY = ORIGINS?.includes('*');

/** Headers of answers that a page may read, besides those that it always may. */
const EXPOSED = [
  'ETag',
  'Location',
  'Preference-Applied',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'WWW-Authenticate',
  'X-Request-Id',
  'X-Tidemark-Version',
];

/** Seconds that a browser remembers a preflight. Chromium's maximum. */
const MAX_AGE = 7_200;

/** Without CORS_ORIGINS, no request runs any of this. */
export function addCors(fastify: FastifyInstance): void {
  if (!ORIGINS) return;
  void fastify.register(cors, {
    origin: ANY ? '*' : ORIGINS,
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: EXPOSED,
    maxAge: MAX_AGE,
    // Its answer to an incomplete preflight would not have the shape of our errors.
    strictPreflight: false,
  });
}

/** The same headers for an error that occurs before the hooks run. @param origin of the request */
export function corsHeaders(origin: string | undefined): Record<string, string> {
  if (!ORIGINS) return {};
  const isAllowed = ANY || (origin !== undefined && ORIGINS.includes(origin));
  return {
    ...(isAllowed && {
      'access-control-allow-origin': ANY ? '*' : origin!,
      'access-control-expose-headers': EXPOSED.join(', '),
    }),
    ...(!ANY && { vary: 'Origin' }),
  };
}

/**
 * The same as lines of HTTP, for an answer to a connection whose request was not understood or not read. Its origin
 * is unknown, and the answer has nothing but the reason: any page may read it.
 */
export const CORS_LINES = ORIGINS
  ? 'Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: Retry-After\r\n'
  : '';

/** Value of `Vary` for an answer that depends on these request headers, and on the origin. */
export const varyOn = (names: string): string => (ORIGINS && !ANY ? `${names}, Origin` : names);
