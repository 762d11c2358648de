import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';

/** Names of the variables in the `.env` that this process has loaded. */
export let envFileNames: readonly string[] = [];

/** Adds the variables of `.env` to the environment, whose own take precedence. Before config.ts is imported. */
export function loadEnvFile(): void {
  if (!existsSync('.env')) return;
  envFileNames = Object.keys(parseEnv(readFileSync('.env', 'utf8')));
  process.loadEnvFile('.env');
}
