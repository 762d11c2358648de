import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';

/** Names of the variables in the `.env` that this process has loaded. */
export let envFileNames: readonly string[] = [];

/** Adds the variables of `.env` to the environment, whose own take precedence. Before config.ts is imported. */
export function loadEnvFile(): void {
  if (!existsSync('.env')) return;
  const text = readFileSync('.env', 'utf8');
  // `NAME: value` is no variable to Node.js, which skips it without a word.
  const skipped = [...text.matchAll(/^[ \t]*(\w+:)[ \t]/gm)].map(([, name]) => name);
  envFileNames = [...Object.keys(parseEnv(text)), ...skipped];
  process.loadEnvFile('.env');
}
