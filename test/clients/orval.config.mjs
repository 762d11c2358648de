/*
 * orval: a client, and zod schemas of each status of each operation. Two outputs, by the names of the exports.
 */
const input = { target: './generated/openapi.json' };

export const client = { input, output: { client: 'fetch', target: './generated/orval/client.ts' } };

export const schemas = {
  input,
  output: {
    client: 'zod',
    target: './generated/orval/schemas.ts',
    override: { zod: { generateEachHttpStatus: true } },
  },
};
