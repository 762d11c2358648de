import { plainToInstance, Transform } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsNumber,
  IsOptional,
  IsPositive,
  IsString,
  Matches,
  Max,
  Min,
  validateSync,
} from 'class-validator';
import { isIP } from 'node:net';
import { parseSecretsKey } from './database/secret-box.js';
import { envFileNames } from './env-file.js';
import { tryPort } from './http/try-port.js';
import { nameProblems } from './setting-names.js';

/** A setting that stops the start. Its message is one line that names the variable. */
export class ConfigError extends Error {}

const decorate =
  (...decorators: PropertyDecorator[]): PropertyDecorator =>
  (target, key) =>
    decorators.forEach((decorator) => decorator(target, key));

/** Decimal digits. Any other text stays text and is refused by `IsInt`. */
const Integer = (minimum: number, maximum: number) =>
  decorate(
    Transform(({ value }) => (/^\d+$/.test(value) ? Number(value) : value)),
    IsInt(),
    Min(minimum),
    Max(maximum),
  );

/** A positive decimal number, or unset. */
const Decimal = (maximum: number) =>
  decorate(
    Transform(({ value }) => (/^\d+(\.\d+)?$/.test(value) ? Number(value) : value)),
    IsOptional(),
    IsNumber(),
    IsPositive(),
    Max(maximum),
  );

/** A text, or unset. @param rule what the message says after the name of the variable */
const Text = (pattern: RegExp, rule: string) =>
  decorate(IsOptional(), Matches(pattern, { message: `$property must be ${rule}` }));

const Flag = () =>
  decorate(
    Transform(({ value }) => (['true', 'false'].includes(value) ? value === 'true' : value)),
    IsBoolean({ message: '$property must be true or false' }),
  );

/** The same for each part of a list with commas. */
const List = (pattern: RegExp, rule: string) =>
  decorate(
    Transform(({ value }) => value.split(',')),
    IsOptional(),
    Matches(pattern, { each: true, message: `$property must be ${rule}` }),
  );

const POSTGRES_URL = /^postgres(ql)?:\/\/\S+$/;

/**
 * Every setting, read from the environment once at start. `.env.example` explains them, with the same names,
 * order and defaults; a test compares the two.
 */
export class Config {
  @Integer(0, 65_535)
  PORT: number = 3000;

  @IsString()
  HOST: string = '127.0.0.1';

  @Text(/^https?:\/\/[^\s/?#]+(\/[^\s?#]*)?$/, 'an http or https URL without query')
  PUBLIC_URL?: string = undefined;

  /** The operator's name, on every page. */
  @Text(/^[^\p{Cc}]{1,64}$/u, '1 to 64 characters')
  SERVICE_NAME: string = 'Tidemark';

  // Looks like an origin, of apps such as capacitor://localhost, too; RULES look closer.
  @List(
    /^(\*|[a-z][a-z\d+.-]*:\/\/[^\s/?#@*]+)$/,
    'origins such as https://app.example.com, without a path, or *',
  )
  CORS_ORIGINS?: string[] = undefined;

  @Text(POSTGRES_URL, 'a URL that starts with postgres:// or postgresql://')
  DATABASE_URL?: string = undefined;

  @List(POSTGRES_URL, 'URLs that start with postgres:// or postgresql://')
  DATABASE_REPLICA_URL?: string[] = undefined;

  @Integer(1, 1_000)
  DATABASE_POOL_SIZE: number = 10;

  @IsString()
  DATA_DIR: string = './.data';

  @Text(/^[\x21-\x7e]{32,}$/, 'at least 32 visible ASCII characters')
  ADMIN_API_KEY?: string = undefined;

  /** The first key encrypts, all of them decrypt. `parseSecretsKey` looks closer. */
  @List(/^(clear|[\w+/=-]{43,64})$/, '32 bytes in base64 or hex, or several such keys')
  SECRETS_KEY?: string[] = undefined;

  // Looks like an address, perhaps with the length of a prefix; `isNetwork` looks closer.
  @List(/^[\da-fA-F.:]+(\/\d{1,3})?$/, 'IP addresses or networks such as 10.0.0.0/8')
  TRUST_PROXY?: string[] = undefined;

  @IsOptional()
  @Integer(10, 100_000)
  CONNECTION_LIMIT?: number = undefined;

  /** Bytes. */
  @Integer(1_024, 64 * 1_024 * 1_024)
  BODY_LIMIT: number = 1_024 * 1_024;

  /** Requests a minute and credential; 0: no limit. */
  @Integer(0, 1_000_000_000)
  RATE_LIMIT: number = 600_000;

  /** Refused credentials a minute and network; 0: no limit. */
  @Integer(0, 1_000_000_000)
  REFUSAL_LIMIT: number = 1_000;

  /** Requests that wait for changes. */
  @Integer(10, 1_000_000)
  LIVE_LIMIT: number = 10_000;

  /** Records of one developer. */
  @IsOptional()
  @Integer(1, 1_000_000_000)
  QUOTA_RECORDS?: number = undefined;

  /** Bytes of `data` and `metadata` of one developer. */
  @IsOptional()
  @Integer(1, Number.MAX_SAFE_INTEGER)
  QUOTA_BYTES?: number = undefined;

  @Flag()
  WEBHOOK_ALLOW_PRIVATE: boolean = false;

  /** Days; unset: for ever. */
  @Decimal(3_650)
  FEED_RETENTION_DAYS?: number = undefined;

  /** Days. */
  @Integer(1, 3_650)
  WEBHOOK_LOG_DAYS: number = 30;

  /** Days. */
  @Integer(1, 3_650)
  AUDIT_LOG_DAYS: number = 365;

  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
  LOG_LEVEL: string = 'info';

  /** Seconds; unset: 0 on a terminal, else 5. */
  @IsOptional()
  @Integer(0, 3_600)
  SHUTDOWN_DELAY?: number = undefined;

  /** Seconds. */
  @Integer(0, 3_600)
  SHUTDOWN_TIMEOUT: number = 30;

  /** Unset: no metrics. */
  @IsOptional()
  @Integer(1, 65_535)
  METRICS_PORT?: number = undefined;

  @IsString()
  METRICS_HOST: string = '127.0.0.1';

  @Text(/^(https?|file):\/\/\S+$/, 'an http, https or file URL')
  JWT_JWKS_URL?: string = undefined;

  @IsOptional()
  @IsString()
  JWT_ISSUER?: string = undefined;

  @IsOptional()
  @IsString()
  JWT_AUDIENCE?: string = undefined;

  @Text(/^(\*|[\w!#$&^.+-]+(\/[\w!#$&^.+-]+)?)$/, 'a media type such as at+jwt, or *')
  JWT_TYP: string = 'at+jwt';

  @Flag()
  JWT_ALLOW_ADMIN: boolean = false;
}

/** The variables that are settings. */
export const CONFIG_NAMES: readonly string[] = Object.keys(new Config());

/** Rules between settings, and those that need a parser: the problem, and whether it is there. */
const RULES: [problem: string, isThere: (config: Config) => unknown][] = [
  [
    'JWT_JWKS_URL needs JWT_ISSUER and JWT_AUDIENCE',
    (c) => c.JWT_JWKS_URL && !(c.JWT_ISSUER && c.JWT_AUDIENCE),
  ],
  [
    'JWT_ISSUER and JWT_AUDIENCE need JWT_JWKS_URL',
    (c) => !c.JWT_JWKS_URL && (c.JWT_ISSUER ?? c.JWT_AUDIENCE) !== undefined,
  ],
  [
    'CORS_ORIGINS must be * alone, or a list without it',
    (c) => c.CORS_ORIGINS?.includes('*') && c.CORS_ORIGINS.length > 1,
  ],
  [
    'CORS_ORIGINS must be as browsers write them: in lower case, without the default port',
    (c) => c.CORS_ORIGINS?.some((origin) => !isOrigin(origin)),
  ],
  [
    'SECRETS_KEY must be 32 bytes in base64 or hex, or several such keys',
    (c) => c.SECRETS_KEY?.some((text) => !parseSecretsKey(text)),
  ],
  ['TRUST_PROXY has an invalid address or network', (c) => c.TRUST_PROXY?.some((text) => !isNetwork(text))],
  [
    'JWT_ISSUER must not be PUBLIC_URL, the issuer of this server',
    (c) => c.JWT_ISSUER !== undefined && c.JWT_ISSUER === c.PUBLIC_URL,
  ],
  ['METRICS_PORT must not be PORT', (c) => c.METRICS_PORT === c.PORT],
  ['DATABASE_URL is not a valid URL', (c) => c.DATABASE_URL && !URL.canParse(c.DATABASE_URL)],
  [
    'DATABASE_REPLICA_URL has an invalid URL',
    (c) => c.DATABASE_REPLICA_URL?.some((url) => !URL.canParse(url)),
  ],
  ['DATABASE_REPLICA_URL needs DATABASE_URL', (c) => c.DATABASE_REPLICA_URL && !c.DATABASE_URL],
];

/** Browsers send an origin in one form, which is compared character by character (RFC 6454, section 6.2). */
function isOrigin(text: string): boolean {
  if (!/^https?:/.test(text)) return true;
  return URL.canParse(text) && new URL(text).origin === text;
}

function isNetwork(network: string): boolean {
  const [address, length] = network.split('/');
  return isIP(address) > 0 && (length === undefined || Number(length) <= (isIP(address) === 4 ? 32 : 128));
}

/**
 * @param env variables; an empty one counts as unset
 * @param fileNames those of them that `.env` sets
 * @throws ConfigError with one line that names each bad variable
 */
export function loadConfig(
  env: Record<string, string | undefined>,
  fileNames: readonly string[] = [],
): Config {
  const known = CONFIG_NAMES.filter((name) => env[name] !== undefined && env[name] !== '');
  const config = plainToInstance(Config, Object.fromEntries(known.map((name) => [name, env[name]])), {
    exposeDefaultValues: true,
  });
  const problems = [
    ...nameProblems(env, fileNames, CONFIG_NAMES),
    // One message a variable; "must be an integer" comes before "must not be greater than".
    ...validateSync(config).map(({ constraints = {} }) => constraints.isInt ?? Object.values(constraints)[0]),
  ];
  if (problems.length === 0) {
    config.PUBLIC_URL = config.PUBLIC_URL?.replace(/\/+$/, '');
    problems.push(...RULES.filter(([, isThere]) => isThere(config)).map(([problem]) => problem));
  }
  if (problems.length > 0) throw new ConfigError(`Bad configuration: ${problems.join('; ')}`);
  return config;
}

/** Settings with what is left to the process: a port for PORT=0, and PUBLIC_URL where it is unset. */
async function complete(config: Config): Promise<Readonly<Config & { PUBLIC_URL: string }>> {
  const { HOST } = config;
  const PORT = config.PORT === 0 ? await tryPort(0, HOST) : config.PORT;
  const isAnyAddress = ['0.0.0.0', '::', ''].includes(HOST);
  const host = isAnyAddress ? 'localhost' : HOST.includes(':') ? `[${HOST}]` : HOST;
  return Object.freeze({ ...config, PORT, PUBLIC_URL: config.PUBLIC_URL ?? `http://${host}:${PORT}` });
}

/** The settings of this process. Immutable. */
export const config = await complete(loadConfig(process.env, envFileNames));
