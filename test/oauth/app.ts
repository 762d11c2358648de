import { useApp } from '../support/app.js';

export const app = useApp({ TRUST_PROXY: '127.0.0.1' });
