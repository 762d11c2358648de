import { stripVTControlCharacters } from 'node:util';
import type { Provider as LibraryProvider } from 'oidc-provider';
import { logger } from '../http/logger.js';

// It says at import, in colours on the console, that it is not made for Node 20: whoever starts this server can do nothing
// about it, and all of our tests run there (docs/decisions/0010-oauth.md).
/* eslint-disable no-console */
const { warn } = console;
console.warn = (text: string) => logger.debug(stripVTControlCharacters(text));
const library = await import('oidc-provider');
console.warn = warn;

export const { Provider, errors } = library;
export type Provider = LibraryProvider;
