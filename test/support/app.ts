import { afterAll, beforeAll } from '@jest/globals';
import { startApp, type TestApp } from './server.js';

/**
 * One server for all tests of a test file, also of the modules that it imports.
 *
 * @param settings environment variables of the server
 * @returns the server; its members are set before the first test runs
 */
export function useApp(settings: Record<string, string> = {}): TestApp {
  const app = {} as TestApp;
  beforeAll(async () => void Object.assign(app, await startApp(settings)));
  afterAll(() => app.close());
  return app;
}
