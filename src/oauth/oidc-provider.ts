import type { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { stripVTControlCharacters } from 'node:util';
import type { Configuration, Provider as LibraryProvider } from 'oidc-provider';
import { config } from '../config.js';
import { logger } from '../http/logger.js';
import { publicPath } from '../http/public-path.js';

/*
 * The edge of the library `oidc-provider`: its import, its patches, and the request headers that it trusts.
 */

// At import the library prints a coloured warning that it does not support Node 20. Operators cannot act on
// it, and all tests run on Node 20, so it goes to the log at level debug (docs/decisions/0010-oauth.md).
/* eslint-disable no-console */
const { warn } = console;
console.warn = (text: string) => logger.debug(stripVTControlCharacters(text));
const library = await import('oidc-provider');
// The library's own AsyncLocalStorage. A variable: its types do not know of the module.
const CONTEXT = 'oidc-provider/lib/helpers/als.js';
const { default: context } = (await import(CONTEXT)) as { default: AsyncLocalStorage<unknown> };
console.warn = warn;

export const { errors } = library;
export type Provider = LibraryProvider;

let running = 0;

/**
 * Lets the library answer a request. While no such request runs, its AsyncLocalStorage is out of use, which would
 * slow down every promise of the process (src/audit/audit.ts).
 */
export async function answer(provider: Provider, request: IncomingMessage, response: ServerResponse) {
  running++;
  try {
    await provider.callback()(withForwardedHeaders(request), response);
  } finally {
    if (--running === 0) context.disable();
  }
}

/**
 * A provider whose issuer is PUBLIC_URL.
 *
 * @param verifySecret the database stores hashes, which the library cannot compare
 */
export function createProvider(
  configuration: Configuration,
  verifySecret: (clientId: string, secret: string) => Promise<boolean>,
): Provider {
  const provider = new library.Provider(config.PUBLIC_URL, configuration);
  // Trusts X-Forwarded-Proto and X-Forwarded-Host: `withForwardedHeaders` overwrites them in every request.
  provider.proxy = true;
  provider.Client.prototype.compareClientSecret = async function (secret: string) {
    return verifySecret(this.clientId, secret);
  };
  return provider;
}

/**
 * Host header injection: overwrites the headers and the URL from which the library derives its own address.
 * It is PUBLIC_URL, whatever a client sends.
 */
export function withForwardedHeaders(request: IncomingMessage): IncomingMessage {
  const { protocol, host } = new URL(config.PUBLIC_URL);
  request.headers['x-forwarded-proto'] = protocol.slice(0, -1);
  request.headers['x-forwarded-host'] = host;
  return Object.assign(request, { originalUrl: publicPath(request.url!) });
}
