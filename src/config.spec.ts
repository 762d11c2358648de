import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { CONFIG_NAMES, loadConfig } from './config.js';

const load = (env: Record<string, string>) => () => loadConfig(env);

describe('loadConfig', () => {
  it('has defaults for everything', () => {
    expect(loadConfig({})).toEqual({
      PORT: 3000,
      HOST: '127.0.0.1',
      SERVICE_NAME: 'Tidemark',
      DATABASE_POOL_SIZE: 10,
      DATA_DIR: './.data',
      BODY_LIMIT: 1_048_576,
      RATE_LIMIT: 600_000,
      REFUSAL_LIMIT: 1_000,
      LIVE_LIMIT: 10_000,
      WEBHOOK_ALLOW_PRIVATE: false,
      WEBHOOK_LOG_DAYS: 30,
      AUDIT_LOG_DAYS: 365,
      LOG_LEVEL: 'info',
      SHUTDOWN_TIMEOUT: 30,
      METRICS_HOST: '127.0.0.1',
      JWT_TYP: 'at+jwt',
      JWT_ALLOW_ADMIN: false,
    });
  });

  it('counts an empty variable as unset and ignores what is not ours', () => {
    expect(loadConfig({ PORT: '', DATABASE_URL: '', PATH: '/bin' })).toEqual(loadConfig({}));
  });

  it('drops the slashes at the end of PUBLIC_URL', () => {
    expect(loadConfig({ PUBLIC_URL: 'https://a.example/base//' }).PUBLIC_URL).toBe('https://a.example/base');
  });

  it.each([
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '80a'],
    ['PUBLIC_URL', 'sync.example.com'],
    ['PUBLIC_URL', 'https://a.example/?x=1'],
    ['PUBLIC_URL', 'javascript:alert(1)'],
    ['SERVICE_NAME', 'x'.repeat(65)],
    ['SERVICE_NAME', 'two\nlines'],
    ['CORS_ORIGINS', 'app.example.com'],
    ['CORS_ORIGINS', 'https://app.example.com/'],
    ['CORS_ORIGINS', 'https://app.example.com,'],
    ['CORS_ORIGINS', 'https://*.example.com'],
    ['CORS_ORIGINS', 'https://App.example.com'],
    ['CORS_ORIGINS', 'https://app.example.com:443'],
    ['CORS_ORIGINS', 'https://app.example.com:99999'],
    ['CORS_ORIGINS', 'null'],
    ['CORS_ORIGINS', '*,https://app.example.com'],
    ['DATABASE_URL', 'mysql://localhost/x'],
    ['DATABASE_URL', 'postgres://localhost:99999/x'],
    ['DATABASE_REPLICA_URL', 'postgres://a.example/x,b.example'],
    ['DATABASE_REPLICA_URL', 'postgres://a.example/x,'],
    ['DATABASE_REPLICA_URL', 'postgres://localhost:99999/x'],
    ['DATABASE_POOL_SIZE', '0'],
    ['WEBHOOK_ALLOW_PRIVATE', 'yes'],
    ['WEBHOOK_LOG_DAYS', '0'],
    ['AUDIT_LOG_DAYS', '0'],
    ['ADMIN_API_KEY', 'short'],
    ['ADMIN_API_KEY', 'only-thirty-one-characters-0123'],
    ['ADMIN_API_KEY', 'has a space in it, and more than 31 characters'],
    ['SECRETS_KEY', 'password'],
    ['SECRETS_KEY', `${'0'.repeat(64)},${'0'.repeat(63)}`],
    ['BODY_LIMIT', '1mb'],
    ['LOG_LEVEL', 'loud'],
    ['SHUTDOWN_TIMEOUT', '1.5'],
    ['METRICS_PORT', '0'],
    ['METRICS_PORT', '65536'],
    ['METRICS_PORT', '3000'],
    ['TRUST_PROXY', 'proxy.example.com'],
    ['TRUST_PROXY', '10.0.0.0/33'],
    ['TRUST_PROXY', '10.0.0.1,'],
    ['JWT_JWKS_URL', 'ftp://a.example/jwks.json'],
    ['JWT_TYP', 'at+jwt, JWT'],
    ['JWT_TYP', 'JWT/'],
    ['JWT_ALLOW_ADMIN', 'yes'],
  ])('refuses %s=%s with one line that names it', (name, value) => {
    expect(load({ [name]: value })).toThrow(new RegExp(`^Bad configuration: [^\\n]*${name}[^\\n]*$`));
    expect(load({ [name]: value })).not.toThrow(new RegExp(`${value.replace(/[^\w ]/g, '.')}$`));
  });

  it('takes several replicas, of a database that is not the embedded one', () => {
    const DATABASE_URL = 'postgres://a.example/x';
    const DATABASE_REPLICA_URL = 'postgres://b.example/x,postgresql://c.example/x';
    expect(loadConfig({ DATABASE_URL, DATABASE_REPLICA_URL }).DATABASE_REPLICA_URL).toEqual([
      'postgres://b.example/x',
      'postgresql://c.example/x',
    ]);
    expect(load({ DATABASE_REPLICA_URL })).toThrow('DATABASE_REPLICA_URL needs DATABASE_URL');
  });

  it.each(['*', 'https://app.example.com,http://localhost:5173,http://[::1]:8080,capacitor://localhost'])(
    'takes the origins %s',
    (CORS_ORIGINS) => {
      expect(loadConfig({ CORS_ORIGINS }).CORS_ORIGINS).toEqual(CORS_ORIGINS.split(','));
    },
  );

  it('wants an issuer and an audience with JWT_JWKS_URL', () => {
    const JWT_JWKS_URL = 'https://id.example.com/jwks.json';
    expect(load({ JWT_JWKS_URL })).toThrow('JWT_JWKS_URL needs JWT_ISSUER and JWT_AUDIENCE');
    expect(load({ JWT_JWKS_URL, JWT_ISSUER: 'i', JWT_AUDIENCE: 'a' })).not.toThrow();
    for (const name of ['JWT_ISSUER', 'JWT_AUDIENCE'])
      expect(load({ [name]: 'x' })).toThrow('JWT_ISSUER and JWT_AUDIENCE need JWT_JWKS_URL');
  });

  it('says of a text that it is no number, not that it is too large', () => {
    expect(load({ PORT: 'many' })).toThrow('PORT must be an integer number');
  });

  it('names all bad variables at once', () => {
    expect(load({ PORT: 'x', LOG_LEVEL: 'y' })).toThrow(/PORT.*; .*LOG_LEVEL/);
  });
});

describe('.env.example', () => {
  const lines = readFileSync('.env.example', 'utf8').matchAll(/^(#?)([A-Z_]+)=(.*)$/gm);
  const listed = [...lines].map(([, commented, name, value]) => ({ name, value, isSet: !commented }));

  it('lists every setting, in the order of the class', () => {
    expect(listed.map(({ name }) => name)).toEqual(CONFIG_NAMES);
  });

  it('sets the defaults, and comments out what is unset', () => {
    const set = listed.filter(({ isSet }) => isSet).map(({ name, value }) => [name, value]);
    expect(loadConfig(Object.fromEntries(set))).toEqual(loadConfig({}));
    const defaults = Object.entries(loadConfig({})).filter(([, value]) => value !== undefined);
    expect(set.map(([name]) => name)).toEqual(defaults.map(([name]) => name));
  });
});
