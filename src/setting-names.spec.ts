import { describe, expect, it } from '@jest/globals';
import { CONFIG_NAMES } from './config.js';
import { nameProblems } from './setting-names.js';

const ofFile = (...names: string[]) => nameProblems({}, names, CONFIG_NAMES);
const ofEnvironment = (env: Record<string, string>) => nameProblems(env, [], CONFIG_NAMES);

describe('a name in .env', () => {
  it('that is no setting is a problem, with the nearest setting', () => {
    expect(ofFile('PORT', 'DATABSE_URL', 'LOGLEVEL')).toEqual([
      'DATABSE_URL in .env is not a setting (did you mean DATABASE_URL?)',
      'LOGLEVEL in .env is not a setting (did you mean LOG_LEVEL?)',
    ]);
    expect(ofFile('PROT')).toEqual(['PROT in .env is not a setting (did you mean PORT?)']);
  });

  it('that is like no setting is a problem, without a guess', () => {
    expect(ofFile('STRIPE_TOKEN')).toEqual([
      'STRIPE_TOKEN in .env is not a setting (.env.example lists all)',
    ]);
  });

  it('may be one that Node.js or PostgreSQL reads, or the tests', () => {
    expect(ofFile('NODE_ENV', 'PGSSLROOTCERT', 'UV_THREADPOOL_SIZE', 'TZ', 'TEST_DATABASE_URL')).toEqual([]);
  });

  it('is one problem, not two, when it is in the environment as well', () => {
    expect(nameProblems({ DATABSE_URL: 'x' }, ['DATABSE_URL'], CONFIG_NAMES)).toHaveLength(1);
  });
});

describe('a variable of the environment', () => {
  it.each([
    ['a letter is missing', 'DATABSE_URL', 'DATABASE_URL'],
    ['a letter is wrong', 'PUBLIC_URI', 'PUBLIC_URL'],
    ['a letter is too many', 'JWT_TYPE', 'JWT_TYP'],
    ['two letters are swapped', 'DATA_DRI', 'DATA_DIR'],
    ['an underscore is missing', 'LOGLEVEL', 'LOG_LEVEL'],
    ['it is in lower case', 'database_url', 'DATABASE_URL'],
    ['it is a singular', 'SECRET_KEY', 'SECRETS_KEY'],
    ['two letters of a long name are wrong', 'SHUTDWON_TIMOUT', 'SHUTDOWN_TIMEOUT'],
  ])('is a problem when %s', (_what, name, setting) => {
    expect(ofEnvironment({ [name]: 'x' })).toEqual([
      `${name} is not a setting (did you mean ${setting}? If not, set ${setting}, too, be it empty)`,
    ]);
  });

  it.each([
    ...[
      'HOSTNAME',
      'HOSTS',
      'PORTS',
      'POST',
      'PATH',
      'HOME',
      'PWD',
      'XDG_DATA_DIRS',
      'XDG_DATA_HOME',
      'ROOT',
    ],
    ...['LOGNAME', 'DATABASE', 'DATABASE_NAME', 'DATABASE_HOST', 'DATABASE_SSL', 'DATA', 'POSTGRES_URL'],
    ...[
      'KUBERNETES_PORT',
      'TIDEMARK_SERVICE_PORT',
      'API_KEY',
      'ADMIN_KEY',
      'BASE_URL',
      'JWT_SECRET',
      'JWT_ALG',
    ],
    ...[
      'npm_config_cache',
      'npm_package_name',
      'DATABASE_URL_FILE',
      'TEST_DATABASE_URL',
      'LOG_FILE',
      'DEBUG',
    ],
  ])('is no concern of ours: %s', (name) => {
    expect(ofEnvironment({ [name]: 'x' })).toEqual([]);
  });

  it('belongs to another program when the setting is there, too, or when it is empty', () => {
    expect(ofEnvironment({ SECRET_KEY: 'of another program', SECRETS_KEY: '' })).toEqual([]);
    expect(ofEnvironment({ SECRET_KEY: '' })).toEqual([]);
  });
});
