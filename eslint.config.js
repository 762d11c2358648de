import js from '@eslint/js';
import prettier from 'eslint-config-prettier';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/**
 * The rooms of `src`, from the ground up. A room knows only those on its list; type-only imports count, too.
 * docs/architecture.md explains the picture.
 */
const ROOMS = {
  signals: [],
  http: ['signals'],
  database: ['signals'],
  api: ['http'],
  access: ['http', 'api'],
  audit: ['http', 'api', 'database', 'access'],
  jobs: ['database'],
  histories: ['database'],
  developers: ['http', 'api', 'database', 'access', 'audit', 'histories'],
  'feed-clock': ['signals', 'http', 'database', 'access', 'histories', 'developers'],
  clients: ['http', 'api', 'database', 'access', 'audit', 'histories', 'developers'],
  tokens: ['http', 'api', 'database', 'access', 'audit', 'histories', 'developers', 'clients'],
  auth: ['signals', 'http', 'api', 'database', 'access', 'developers', 'clients', 'tokens'],
  records: ['http', 'api', 'database', 'access', 'audit', 'developers', 'feed-clock'],
  live: ['signals', 'http', 'database', 'access', 'histories', 'feed-clock'],
  'sync-feed': [
    ...['signals', 'http', 'api', 'database', 'access', 'histories', 'developers', 'feed-clock', 'records'],
    'live',
  ],
  collections: [
    ...['http', 'api', 'database', 'access', 'developers', 'feed-clock', 'records'],
    ...['sync-feed', 'jobs'],
  ],
  webhooks: [
    ...['signals', 'http', 'api', 'database', 'access', 'histories', 'developers', 'feed-clock', 'clients'],
    ...['tokens', 'sync-feed', 'jobs'],
  ],
  oauth: ['signals', 'http', 'api', 'database', 'access', 'audit', 'developers', 'clients', 'tokens'],
  erasure: [
    ...['http', 'api', 'database', 'access', 'audit', 'developers', 'feed-clock', 'clients', 'tokens'],
    ...['records', 'jobs'],
  ],
  metrics: ['signals', 'http', 'database', 'histories', 'live'],
  health: ['http', 'api', 'database', 'access'],
};

/** Calls that tell a TypeORM subscriber too little, or nothing at all: the feed would miss the change. */
const CALLS_WITHOUT_EVENTS = [
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
  globalIgnores(['dist', 'coverage', 'reports', 'test/clients/generated', 'test/clients/typed']),
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
  ...Object.entries(ROOMS).map(([room, known]) => ({
    files: [`src/${room}/**`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: Object.keys(ROOMS)
            .filter((other) => other !== room && !known.includes(other))
            .map((other) => ({ regex: `\\.\\./${other}/`, message: `${room} must not know ${other}.` })),
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
          selector: `CallExpression > MemberExpression.callee > Identifier.property[name=/^(${CALLS_WITHOUT_EVENTS.join('|')})$/]`,
          message:
            'This call sends no events to the change subscriber. Use insert, save or remove on whole entities.',
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
            'This call sends no events to the change subscribers. Use insert, save or remove on whole entities.',
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
  {
    files: ['src/{main,run-command,restored,backup,restore,move-to-postgres}.ts', 'test/**', 'tools/**'],
    rules: { 'no-console': 'off' },
  },
  prettier,
);
