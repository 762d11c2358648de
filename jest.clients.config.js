import base from './jest.config.js';

/** Clients that public tools generate: `npm run test:clients`. scripts/test-clients.mjs installs the tools. */
export default { ...base, testMatch: ['<rootDir>/test/clients/*.clients-spec.ts'], testTimeout: 600_000 };
