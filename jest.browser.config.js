import base from './jest.config.js';

/** The tests that need a browser of the machine: `npm run test:browser`. */
export default { ...base, testMatch: ['<rootDir>/test/browser/*.browser-spec.ts'], testTimeout: 300_000 };
