import { isUUID } from 'class-validator';
import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { ApiClient } from '../clients/api-client.entity.js';
import type { ApiClientsService } from '../clients/api-clients.service.js';
import { config } from '../config.js';
import { unsupported } from './unsupported.js';

/** The server's own client, with which Swagger UI authorizes. */
export const DOCS_CLIENT = '00000000-0000-7000-8000-000000000001';

/** Where Swagger UI waits for the answer. */
export const docsRedirectUri = () => `${config.PUBLIC_URL}/docs/oauth2-redirect.html`;

/** API clients as the library knows them. They are registered over the API alone. */
export class ClientAdapter implements Adapter {
  constructor(private readonly clients: ApiClientsService) {}

  async find(id: string): Promise<AdapterPayload | undefined> {
    if (!isUUID(id, 'loose')) return undefined;
    const client = await this.clients.find(id.toLowerCase());
    // Ids are compared as text later on.
    return client?.id === id ? toMetadata(client) : undefined;
  }

  upsert = unsupported;
  findByUid = unsupported;
  findByUserCode = unsupported;
  consume = unsupported;
  destroy = unsupported;
  revokeByGrantId = unsupported;
}

function toMetadata(client: ApiClient): AdapterPayload | undefined {
  const redirectUris = client.id === DOCS_CLIENT ? [docsRedirectUri()] : client.redirectUris;
  const isPublic = client.secretHash === null;
  const hasRedirect = redirectUris.length > 0;
  // It can neither lead people anywhere nor prove who it is.
  if (isPublic && !hasRedirect) return undefined;
  return {
    client_id: client.id,
    client_name: client.name,
    application_type: isNative(client, redirectUris) ? 'native' : 'web',
    redirect_uris: redirectUris,
    response_types: hasRedirect ? ['code'] : [],
    grant_types: [
      ...(hasRedirect ? ['authorization_code', 'refresh_token'] : []),
      ...(isPublic ? [] : ['client_credentials']),
    ],
    scope: client.scopes.join(' '),
    // `compareClientSecret` knows the hashes; the library wants to see something here.
    ...(isPublic
      ? { token_endpoint_auth_method: 'none' }
      : { token_endpoint_auth_method: 'client_secret_basic', client_secret: 'hashed' }),
  };
}

/**
 * An application on somebody's device (RFC 8252): everybody can claim its redirect URIs, so people are asked each time,
 * and the port of a loopback address is whichever was free.
 */
const isNative = ({ id, secretHash }: ApiClient, redirectUris: string[]) =>
  redirectUris.some((uri) => !/^https?:/i.test(uri)) ||
  (id !== DOCS_CLIENT && secretHash === null && redirectUris.some((uri) => /^http:/i.test(uri)));
