import type { Provider as LibraryProvider } from 'oidc-provider';
import { logger } from '../common/logger.js';

// It says at import, on the console, that it is not made for Node 20 (docs/decisions/0010-oauth.md): that is for the log, and
// not for whoever reads the one line about a start that has failed.
/* eslint-disable no-console */
const { warn } = console;
console.warn = (text: string) => logger.warn(text);
const library = await import('oidc-provider');
console.warn = warn;

export const { Provider, errors } = library;
export type Provider = LibraryProvider;
