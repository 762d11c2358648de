import { isUUID } from 'class-validator';
import type { AdapterPayload } from 'oidc-provider';
import type { ApiClient } from '../../clients/api-client.entity.js';
import type { ApiClientsService } from '../../clients/api-clients.service.js';
import { DOCS_CLIENT, docsRedirectUri } from '../docs-client.js';
import { OPENID } from '../openid.js';
import { BaseAdapter } from './base-adapter.js';

/** API clients as the library reads them. Only the API creates, changes and deletes them. */
export class ClientAdapter extends BaseAdapter {
  constructor(private readonly clients: ApiClientsService) {
    super();
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    if (!isUUID(id, 'loose')) return undefined;
    const client = await this.clients.find(id.toLowerCase());
    // The library compares ids as text, so an id in upper case is refused here.
    return client?.id === id ? toMetadata(client) : undefined;
  }
}

/** Client metadata (RFC 7591, section 2); undefined: the client can use no grant type. */
function toMetadata(client: ApiClient): AdapterPayload | undefined {
  const redirectUris = client.id === DOCS_CLIENT ? [docsRedirectUri()] : client.redirectUris;
  const isPublic = client.secretHash === null;
  const hasRedirect = redirectUris.length > 0;
  // It can neither redirect a browser nor authenticate itself.
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
    scope: [...client.scopes, ...(hasRedirect ? [OPENID] : [])].join(' '),
    pkce: client.pkce,
    // The library requires a secret here. `compareClientSecret` verifies against the hash (oidc-provider.ts).
    ...(isPublic
      ? { token_endpoint_auth_method: 'none' }
      : { token_endpoint_auth_method: 'client_secret_basic', client_secret: 'hashed' }),
  };
}

/**
 * Native application (RFC 8252): any other application on the device can claim its redirect URI, so the
 * library asks for consent at every authorization. It also ignores the port of a loopback address.
 */
const isNative = ({ id, secretHash }: ApiClient, redirectUris: string[]) =>
  redirectUris.some((uri) => !/^https?:/i.test(uri)) ||
  (id !== DOCS_CLIENT && secretHash === null && redirectUris.some((uri) => /^http:/i.test(uri)));
