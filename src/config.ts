import { isIP } from 'node:net';
import { plainToInstance, Transform } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Matches,
  Max,
  Min,
  validateSync,
  type ValidationError,
} from 'class-validator';

/** A setting that stops the start. Its message is one line that names the variable. */
export class ConfigError extends Error {}

/** A whole number in a variable; anything else stays text and is refused by `IsInt`. */
const Integer = (): PropertyDecorator =>
  Transform(({ value }) => (/^\d+$/.test(value) ? Number(value) : value));

/** `true` or `false`; anything else stays text and is refused by `IsBoolean`. */
const Flag = (): PropertyDecorator =>
  Transform(({ value }) => (['true', 'false'].includes(value) ? value === 'true' : value));

const POSTGRES_URL = /^postgres(ql)?:\/\/\S+$/;

const HTTP_URL = /^https?:\/\/[^\s/?#]+(\/[^\s?#]*)?$/;

/** Looks like an IP address, perhaps with the length of a prefix; `isNetwork` looks closer. */
const NETWORK = /^[\da-fA-F.:]+(\/\d{1,3})?$/;

/**
 * Every setting, read from the environment once at start. `.env.example` lists the same variables with the same
 * defaults; a test compares the two.
 */
export class Config {
  /** TCP port; 0 lets the system choose. */
  @Integer()
  @IsInt()
  @Min(0)
  @Max(65535)
  PORT: number = 3000;

  /** Address to listen on. Loopback unless an operator opens it. */
  @IsString()
  HOST: string = '127.0.0.1';

  /** Origin (and path prefix) under which clients reach this server; every URL in answers starts with it. */
  @IsOptional()
  @Matches(HTTP_URL, { message: 'PUBLIC_URL must be an http or https URL without query' })
  PUBLIC_URL?: string = undefined;

  /** PostgreSQL 15 or newer. Unset: the embedded database under DATA_DIR. */
  @IsOptional()
  @Matches(POSTGRES_URL, { message: 'DATABASE_URL must start with postgres:// or postgresql://' })
  DATABASE_URL?: string = undefined;

  /** Streaming replicas of DATABASE_URL, separated by commas, that answer reads of the feed. */
  @IsOptional()
  @Transform(({ value }) => value.split(','))
  @Matches(POSTGRES_URL, {
    each: true,
    message: 'DATABASE_REPLICA_URL must be URLs that start with postgres:// or postgresql://',
  })
  DATABASE_REPLICA_URL?: string[] = undefined;

  /** Connections per process to DATABASE_URL, and to each replica. The embedded database always has one. */
  @Integer()
  @IsInt()
  @Min(1)
  @Max(1000)
  DATABASE_POOL_SIZE: number = 10;

  /** Directory of the embedded database and of the generated admin key. */
  @IsString()
  DATA_DIR: string = './.data';

  /** A key with scope sync:admin. Unset in embedded mode: generated and kept in DATA_DIR/admin-api-key. */
  @IsOptional()
  @Matches(/^[\x21-\x7e]{8,}$/, { message: 'ADMIN_API_KEY must be at least 8 visible ASCII characters' })
  ADMIN_API_KEY?: string = undefined;

  /**
   * Addresses or networks of proxies, separated by commas, whose X-Forwarded-For is believed: logins are throttled by
   * address. Unset: nobody's.
   */
  @IsOptional()
  @Transform(({ value }) => value.split(','))
  @Matches(NETWORK, {
    each: true,
    message: 'TRUST_PROXY must be IP addresses or networks such as 10.0.0.0/8',
  })
  TRUST_PROXY?: string[] = undefined;

  /** Largest request body, in bytes. */
  @Integer()
  @IsInt()
  @Min(1024)
  @Max(64 * 1024 * 1024)
  BODY_LIMIT: number = 1024 * 1024;

  /**
   * Webhooks may go to any address, and to http:// URLs. For development: on a server that others use, it would let them
   * reach what only this machine can.
   */
  @Flag()
  @IsBoolean({ message: 'WEBHOOK_ALLOW_PRIVATE must be true or false' })
  WEBHOOK_ALLOW_PRIVATE: boolean = false;

  /** Days that the log of webhook deliveries goes back. */
  @Integer()
  @IsInt()
  @Min(1)
  @Max(3650)
  WEBHOOK_LOG_DAYS: number = 30;

  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
  LOG_LEVEL: string = 'info';

  /** Seconds that SIGTERM waits for running requests before it cuts them off. */
  @Integer()
  @IsInt()
  @Min(0)
  @Max(3600)
  SHUTDOWN_TIMEOUT: number = 30;

  /** Keys that sign JWT bearer tokens: an http(s) URL, or file:///path of a JWKS document. Unset: no JWTs. */
  @IsOptional()
  @Matches(/^(https?|file):\/\/\S+$/, { message: 'JWT_JWKS_URL must be an http, https or file URL' })
  JWT_JWKS_URL?: string = undefined;

  /** Required `iss` of JWTs. */
  @IsOptional()
  @IsString()
  JWT_ISSUER?: string = undefined;

  /** Required `aud` of JWTs. */
  @IsOptional()
  @IsString()
  JWT_AUDIENCE?: string = undefined;
}

/** What is wrong with a setting; that it is no integer comes before how large it is. */
function constraintsOf({ constraints = {} }: ValidationError): string[] {
  return [constraints.isInt, ...Object.values(constraints)].filter((message) => message !== undefined);
}

function isNetwork(network: string): boolean {
  const [address, length] = network.split('/');
  return isIP(address) > 0 && (length === undefined || Number(length) <= (isIP(address) === 4 ? 32 : 128));
}

/** The variables that are settings. */
export const CONFIG_NAMES: readonly string[] = Object.keys(new Config());

/**
 * @param env variables; an empty one counts as unset
 * @throws ConfigError with one line that names each bad variable
 */
export function loadConfig(env: Record<string, string | undefined>): Config {
  const known = CONFIG_NAMES.filter((name) => env[name] !== undefined && env[name] !== '');
  const config = plainToInstance(Config, Object.fromEntries(known.map((name) => [name, env[name]])), {
    exposeDefaultValues: true,
  });
  const problems = validateSync(config).flatMap((error) => constraintsOf(error).slice(0, 1));
  if (config.JWT_JWKS_URL && !(config.JWT_ISSUER && config.JWT_AUDIENCE)) {
    problems.push('JWT_JWKS_URL needs JWT_ISSUER and JWT_AUDIENCE');
  }
  if (!config.JWT_JWKS_URL && (config.JWT_ISSUER ?? config.JWT_AUDIENCE) !== undefined) {
    problems.push('JWT_ISSUER and JWT_AUDIENCE need JWT_JWKS_URL');
  }
  if (problems.length === 0) {
    if (config.TRUST_PROXY?.some((network) => !isNetwork(network)))
      problems.push('TRUST_PROXY has an invalid address or network');
    if (config.JWT_ISSUER !== undefined && config.JWT_ISSUER === config.PUBLIC_URL?.replace(/\/+$/, ''))
      problems.push('JWT_ISSUER must not be PUBLIC_URL, the issuer of this server');
    if (config.DATABASE_URL && !URL.canParse(config.DATABASE_URL))
      problems.push('DATABASE_URL is not a valid URL');
    if (config.DATABASE_REPLICA_URL?.some((url) => !URL.canParse(url)))
      problems.push('DATABASE_REPLICA_URL has an invalid URL');
    if (config.DATABASE_REPLICA_URL && !config.DATABASE_URL)
      problems.push('DATABASE_REPLICA_URL needs DATABASE_URL');
  }
  if (problems.length > 0) throw new ConfigError(`Bad configuration: ${problems.join('; ')}`);
  config.PUBLIC_URL = config.PUBLIC_URL?.replace(/\/+$/, '');
  return config;
}

/** This process's settings. */
export const config = loadConfig(process.env);
