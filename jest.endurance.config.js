import base, { specs } from './jest.config.js';

/** Endurance: kill -9 again and again, a million changes, timeouts that are waited for. `npm run test:endurance` */
export default { ...base, testMatch: [specs('endurance')] };
