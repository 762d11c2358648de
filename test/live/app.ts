import { useApp } from '../support/app.js';

export const app = useApp({ LIVE_LIMIT: '40' });
