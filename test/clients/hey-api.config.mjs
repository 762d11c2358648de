/** @hey-api/openapi-ts: a client that checks each request and each answer with zod. */
export default {
  input: './generated/openapi.json',
  output: './generated/hey-api',
  plugins: [
    '@hey-api/client-fetch',
    '@hey-api/typescript',
    { name: '@hey-api/sdk', validator: 'zod' },
    'zod',
  ],
};
