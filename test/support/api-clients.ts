import { Api } from './api.js';

export interface Client {
  id: string;
  secret: string | null;
  redirectUri: string;
}

/** Creates an API client. Default: a confidential client with both scopes. */
export async function createClient(
  admin: Api,
  settings: Partial<{
    name: string;
    redirectUris: string[];
    scopes: string[];
    pkce: string;
    public: boolean;
    developerId: string;
  }> = {},
): Promise<Client> {
  const redirectUris = settings.redirectUris ?? ['https://planner.example/callback'];
  const { status, body } = await admin.post('/api/v1/api-clients', {
    name: 'Route planner',
    developerId: 'planner-inc',
    scopes: ['sync:read', 'sync:write'],
    ...settings,
    redirectUris,
  });
  if (status !== 201) throw new Error(`no client: ${status} ${JSON.stringify(body)}`);
  return { id: body.id, secret: body.secret, redirectUri: redirectUris[0] };
}

/** Creates an API key of a developer that belongs to a client. */
export async function createClientKey(
  admin: Api,
  clientId: string,
  developerId: string,
  scopes = ['sync:read', 'sync:write'],
): Promise<Api> {
  const { status, body } = await admin.post('/api/v1/api-keys', { developerId, clientId, scopes });
  if (status !== 201) throw new Error(`no key: ${status} ${JSON.stringify(body)}`);
  return new Api(admin.url, body.key);
}
