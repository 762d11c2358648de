// `npm run openapi` writes openapi.json from the built application; with `--check` it fails if that is stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { ensureBuilt } from './prepare.mjs';

await ensureBuilt();
const { NestFactory } = await import('@nestjs/core');
const { FastifyAdapter } = await import('@nestjs/platform-fastify');
const { AppModule } = await import('../dist/src/app.module.js');
const { createOpenApiDocument } = await import('../dist/src/openapi.js');

// Preview mode reads the decorators and starts nothing: no database, no port, no settings.
const app = await NestFactory.create(AppModule, new FastifyAdapter(), {
  preview: true,
  logger: false,
  abortOnError: false,
});
const text = `${JSON.stringify(createOpenApiDocument(app), null, 2)}\n`;
if (!process.argv.includes('--check')) writeFileSync('openapi.json', text);
else if (readFileSync('openapi.json', 'utf8') !== text) {
  console.error('openapi.json is stale: run `npm run openapi` and commit the result.');
  process.exitCode = 1;
}
