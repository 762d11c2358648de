import { useApp } from '../support/app.js';

export const app = useApp({ PUBLIC_URL: 'https://sync.example.com/' });
