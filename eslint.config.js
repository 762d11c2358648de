import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/**
 * Imports point one way: collections, webhooks -> sync-feed -> records -> auth -> common, and oauth -> auth. Each folder
 * lists what it must not know.
 */
const LAYERS = {
  common: ['auth', 'jobs', 'records', 'sync-feed', 'collections', 'oauth', 'webhooks', 'health'],
  database: ['common', 'auth', 'jobs', 'records', 'sync-feed', 'collections', 'oauth', 'webhooks', 'health'],
  jobs: ['auth', 'records', 'sync-feed', 'collections', 'oauth', 'webhooks', 'health'],
  auth: ['jobs', 'records', 'sync-feed', 'collections', 'oauth', 'webhooks', 'health'],
  records: ['jobs', 'sync-feed', 'collections', 'oauth', 'webhooks', 'health'],
  'sync-feed': ['jobs', 'collections', 'oauth', 'webhooks', 'health'],
  collections: ['oauth', 'webhooks', 'health'],
  oauth: ['jobs', 'records', 'sync-feed', 'collections', 'webhooks', 'health'],
  webhooks: ['collections', 'oauth', 'health'],
};

/** Calls of which a TypeORM subscriber hears too little, or nothing at all: the feed would miss the change. */
const UNHEARD = [
  'update',
  'delete',
  'softDelete',
  'upsert',
  'increment',
  'decrement',
  'clear',
  'createQueryBuilder',
];

export default defineConfig(
  globalIgnores(['dist', 'coverage', 'reports']),
  js.configs.recommended,
  tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
      '@typescript-eslint/no-base-to-string': 'off',
      // What libraries hand us as `any` (decorator arguments, JSON) is checked where it enters, not at each use.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      'no-console': 'error',
    },
  },
  ...Object.entries(LAYERS).map(([folder, forbidden]) => ({
    files: [`src/${folder}/**`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: forbidden.map((name) => ({
            regex: `/${name}/`,
            message: `${folder} must not know ${name}.`,
          })),
        },
      ],
    },
  })),
  {
    files: ['src/records/**', 'src/sync-feed/**'],
    ignores: ['**/*.controller.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: `CallExpression > MemberExpression.callee > Identifier.property[name=/^(${UNHEARD.join('|')})$/]`,
          message:
            'The change subscriber does not hear of this call. Use insert, save or remove on whole entities.',
        },
      ],
    },
  },
  {
    files: ['src/collections/**'],
    ignores: ['**/*.controller.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector:
            "CallExpression > MemberExpression.callee[object.name='manager'] > Identifier.property[name=/^(update|delete|softDelete|upsert|increment|decrement|clear)$/]",
          message:
            'The change subscribers do not hear of this call. Use insert, save or remove on whole entities.',
        },
      ],
    },
  },
  {
    files: ['**/*.{js,mjs}'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { globals: { process: 'readonly', console: 'readonly' } },
    rules: { 'no-console': 'off' },
  },
  { files: ['src/main.ts', 'test/**', 'tools/**'], rules: { 'no-console': 'off' } },
  prettier,
);
