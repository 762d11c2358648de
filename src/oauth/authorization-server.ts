import { Injectable, Logger } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { EventEmitter } from 'node:events';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { ApiClientsService } from '../clients/api-clients.service.js';
import { config } from '../config.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { DevelopersService } from '../developers/developers.service.js';
import { toApiError } from '../http/api-error.filter.js';
import { AccessTokensService } from '../tokens/access-tokens.service.js';
import { GrantsService } from '../tokens/grants.service.js';
import type { SigningKey } from '../tokens/signing-key.entity.js';
import { SigningKeysService } from '../tokens/signing-keys.service.js';
import { ClientAdapter } from './adapters/client-adapter.js';
import { GrantAdapter } from './adapters/grant-adapter.js';
import { StateAdapter } from './adapters/state-adapter.js';
import { cookieKeysOf } from './cookie-keys.js';
import { cookieName, cookiePath } from './cookies.js';
import { jwtIntrospection } from './jwt-introspection.js';
import { oauthErrorOf } from './oauth-error.js';
import { createProvider, type Provider } from './oidc-provider.js';
import { errorPage } from './pages.js';
import { PasswordsService } from './passwords.service.js';
import { providerConfiguration } from './provider-configuration.js';

/** The library `oidc-provider` on this server's clients, developers, keys and database. */
@Injectable()
export class AuthorizationServer {
  private readonly logger = new Logger(AuthorizationServer.name);
  private provider?: Provider;
  private keyFingerprint = '';

  constructor(
    @InjectDataSource() private readonly dataSource: TidemarkDataSource,
    private readonly clients: ApiClientsService,
    private readonly developers: DevelopersService,
    private readonly grants: GrantsService,
    private readonly signingKeys: SigningKeysService,
    private readonly accessTokens: AccessTokensService,
    private readonly passwords: PasswordsService,
  ) {}

  /** Key rotation: a provider takes its keys at construction, so other keys need a new provider. */
  async current(): Promise<Provider> {
    const keys = await this.signingKeys.current();
    const fingerprint = [...keys, ...cookieKeysOf(keys)].map(({ id }) => id).join(' ');
    if (!this.provider || this.keyFingerprint !== fingerprint) {
      this.provider = this.create(keys);
      this.keyFingerprint = fingerprint;
    }
    return this.provider;
  }

  private create(keys: readonly SigningKey[]): Provider {
    const adapterOf = (model: string) => {
      if (model === 'Client') return new ClientAdapter(this.clients);
      if (model === 'Grant') return new GrantAdapter(this.grants, this.developers);
      return new StateAdapter(model, this.dataSource, this.grants, this.passwords);
    };
    const tokenKeys = keys.filter(({ purpose }) => purpose === 'token');
    const configuration = {
      ...providerConfiguration(this.clients, this.developers),
      adapter: adapterOf,
      jwks: { keys: tokenKeys.map(({ id, jwk }) => ({ ...jwk, kid: id })) },
      cookies: {
        names: {
          session: cookieName('tidemark_login'),
          // Each has the path of its page, so that logins in two tabs do not disturb each other.
          interaction: cookieName('tidemark_request', true),
          resume: cookieName('tidemark_resume', true),
        },
        keys: cookieKeysOf(keys).map(({ jwk }) => jwk.k!),
        long: { signed: true, httpOnly: true, sameSite: 'lax' as const, path: cookiePath },
        short: { signed: true, httpOnly: true, sameSite: 'lax' as const },
      },
    };
    const provider = createProvider(configuration, async (clientId, secret) => {
      const client = await this.clients.find(clientId);
      return client !== undefined && this.clients.verifySecret(client, secret);
    });
    provider.on('server_error', (context: KoaContextWithOIDC, error: Error) => {
      const reqId = context.res.getHeader('x-request-id');
      this.logger.error({ err: error, reqId }, 'authorization failed');
      context.state.failure = error;
    });
    provider.use(withoutOwnCors);
    provider.use(answerUnavailable);
    provider.use(jwtIntrospection(this.accessTokens));
    // An event of Koa, which the library's types hide. Without a listener, Koa writes to the console.
    (provider as EventEmitter).on('error', (error) => this.logger.error(error));
    return provider;
  }
}

/**
 * CORS: the library has a rule of its own, and leaves it aside where an answer has such a header already. That is so
 * with CORS_ORIGINS (src/http/cors.ts); without it, no answer has one.
 */
async function withoutOwnCors(context: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
  await next();
  if (config.CORS_ORIGINS) return;
  for (const name of Object.keys(context.response.headers))
    if (name.startsWith('access-control-')) context.remove(name);
}

/** The library answers every failure with 500. 503: the database is away, or was just restored. */
async function answerUnavailable(context: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
  await next();
  const { failure } = context.state;
  const answer = failure && toApiError(failure);
  if (answer?.getStatus() !== 503) return;
  const isPage = context.type === 'text/html';
  context.status = 503;
  context.set(answer.headers);
  context.body = isPage ? errorPage(answer.details, undefined, answer.code) : oauthErrorOf(answer);
}
