/**
 * Spec files of a kind. `*.postgres.*` needs the real concurrency of a server (TEST_DATABASE_URL); `*.embedded.*` is
 * about the embedded database alone, whatever that is.
 */
export const specs = (kind) =>
  `<rootDir>/test/**/!(*.${process.env.TEST_DATABASE_URL ? 'embedded' : 'postgres'}).${kind}-spec.ts`;

/** The behaviour: `npm test`. What takes its time is in jest.endurance.config.js. */
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/src/**/*.spec.ts', specs('e2e')],
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  maxWorkers: 2,
  // A guard against waiting for ever, not a promise: the machines that run this may be slow.
  testTimeout: 180_000,
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['js', 'mjs', 'cjs', 'ts', 'json', 'node'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        module: { type: 'es6' },
        jsc: {
          target: 'es2022',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
        },
      },
    ],
  },
};
