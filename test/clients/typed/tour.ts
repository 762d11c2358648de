import type { Environment } from '../environment.js';
import * as api from '../generated/hey-api';
import { createClient, createConfig } from '../generated/hey-api/client';

const SINCE = '1970-01-01T00:00:00Z';
const REDIRECT_URI = 'https://planner.example/callback';

/**
 * Calls every operation of the document with valid requests, with the client that @hey-api/openapi-ts generates. The
 * compiler checks the types of requests and answers. The client checks both with zod, and throws.
 */
export async function tour({
  url,
  adminKey,
  receiverUrl,
  fetch,
  ...environment
}: Environment): Promise<void> {
  /** Options of each call with a credential: an API key, an access token, or `id:secret` of a client. */
  const as = (credential?: string) => ({
    client: createClient(createConfig({ baseUrl: url, auth: credential, fetch, redirect: 'manual' })),
    throwOnError: true as const,
  });
  const keyOf = async (developerId: string, clientId?: string) => {
    const body = {
      developerId,
      clientId,
      scopes: ['sync:read', 'sync:write'] satisfies api.CreateApiKeyDto['scopes'],
    };
    return (await api.apiKeysCreate({ ...admin, body })).data;
  };
  const anonymous = as();
  const admin = as(adminKey);

  await api.healthLive(anonymous);
  await api.healthReady(anonymous);

  // Developers and keys
  const { key } = await keyOf('dev-789');
  const dev = as(key);
  const other = as((await keyOf('dev-456')).key);
  await api.developersPut({ ...admin, path: { developerId: 'dev-789' }, body: { name: 'Ada Lovelace' } });
  const { user } = (await api.developersCurrent(dev)).data;
  const extra = await keyOf('dev-789');
  const rotated = (await api.apiKeysRotate({ ...dev, path: { id: extra.id }, body: { overlapSeconds: 60 } }))
    .data;
  await api.apiKeysRevoke({ ...dev, path: { id: rotated.id } });
  await api.apiKeysList({ ...dev, query: { limit: 10 } });

  // Records
  const fields = { developerId: 'dev-789', resourceType: 'ROUTE', status: 'ACTIVE' as const };
  const record = (
    await api.recordsCreate({
      ...dev,
      body: {
        ...fields,
        resourceKey: 'coast-loop',
        data: { name: 'Coast loop', km: [1, 2.5, null] },
        metadata: { a: 1 },
      },
    })
  ).data;
  const path = { id: record.id };
  const gone = (await api.recordsCreate({ ...dev, body: { ...fields, resourceKey: 'gone', data: {} } })).data;
  const read = await api.recordsGet({ ...dev, path });
  const etag = read.response.headers.get('etag')!;
  const unchanged = { client: dev.client, path, headers: { 'If-None-Match': etag } };
  expectStatus(304, await api.recordsGet(unchanged));
  await api.recordsUpdate({ ...dev, path, headers: { 'If-Match': etag }, body: { data: { name: 'Coast' } } });
  await api.recordsRemove({ ...dev, path: { id: gone.id } });
  await api.recordsList({ ...dev, query: { resourceType: 'ROUTE', page: 1, limit: 100 } });

  // Shares and pins
  const share = { ...path, developerId: 'dev-456' };
  await api.sharesGrant({ ...dev, path: share });
  await api.sharesList({ ...dev, path });
  await api.collectionsPin({ ...other, path });
  await api.collectionsPin({ ...dev, path });
  const [collection] = (await api.collectionsList(other)).data.collections;
  await api.collectionsGet({ ...other, path: { collection_id: collection.id } });
  await api.collectionsGetPinned(other);
  await api.itemsList({ ...dev, path: { assets: 'routes' } });

  // The feed: each cursor is a valid `since`.
  const synced = (await api.syncFeedSync({ ...dev, query: { since: SINCE, digest: true } })).data;
  for (const options of [dev, other]) {
    let since = SINCE;
    for (let more = true; more;) {
      const { meta } = (await api.syncFeedSync({ ...options, query: { since, limit: 1, assets: '*' } })).data;
      since = meta.rwgps_datetime;
      more = meta.has_more!;
    }
    const idle = await api.syncFeedSync({ ...options, query: { since } });
    const headers = { 'If-None-Match': idle.response.headers.get('etag')! };
    expectStatus(304, await api.syncFeedSync({ client: options.client, query: { since }, headers }));
  }
  let page: api.SyncMetaBody | undefined;
  do {
    const next = page && new URL(page.next_sync_url).searchParams;
    const query = {
      since: page?.rwgps_datetime ?? SINCE,
      compact: true,
      limit: 1,
      until: next?.get('until') ?? undefined,
      initial: next?.has('initial') || undefined,
    };
    page = (await api.syncFeedSync({ ...dev, query })).data.meta;
  } while (page.has_more);
  const [item] = synced.items.filter(({ action }) => action === 'updated');
  await api.itemsGet({ ...dev, path: { assets: 'routes', item_id: item.item_id } });
  await api.collectionsUnpin({ ...other, path });
  await api.sharesRevoke({ ...dev, path: share });

  // API clients
  const application = (
    await api.apiClientsCreate({
      ...admin,
      body: {
        name: 'Route planner',
        developerId: 'dev-789',
        scopes: ['sync:read', 'sync:write'],
        redirectUris: [REDIRECT_URI],
      },
    })
  ).data;
  const clientPath = { id: application.id };
  await api.apiClientsGet({ ...admin, path: clientPath });
  await api.apiClientsList({ ...admin, query: {} });
  await api.apiClientsUpdate({
    ...admin,
    path: clientPath,
    body: { name: 'Planner', defaultAssets: ['routes'] },
  });
  const { secret } = (
    await api.apiClientsRotateSecret({ ...admin, path: clientPath, body: { overlapSeconds: 0 } })
  ).data;

  // Webhooks
  await keyOf('dev-789', application.id);
  const endpoint = (
    await api.webhooksCreate({
      ...dev,
      body: { clientId: application.id, url: receiverUrl, assets: ['routes'] },
    })
  ).data;
  environment.trust(endpoint.secret);
  const webhook = { id: endpoint.id };
  await api.webhooksGet({ ...dev, path: webhook });
  await api.webhooksList(dev);
  await api.webhooksUpdate({ ...dev, path: webhook, body: { active: true, assets: null } });
  const renewed = await api.webhooksRotateSecret({ ...dev, path: webhook, body: {} });
  environment.trust(renewed.data.secret);
  await api.webhooksTest({ ...dev, path: webhook });
  await api.recordsUpdate({ ...dev, path, body: { data: { name: 'Changed' } } });
  let deliveries: api.WebhookDeliveryBody[] = [];
  await environment.until(async () => {
    const query = { kind: 'change', status: 'delivered' } as const;
    deliveries = (await api.webhooksListDeliveries({ ...dev, path: webhook, query })).data.data;
    return deliveries.length > 0;
  });
  await api.webhooksListDeliveries({ ...dev, path: webhook });
  const delivery = { ...webhook, deliveryId: deliveries[0].id };
  await api.webhooksGetDelivery({ ...dev, path: delivery });
  await api.webhooksReplayDelivery({ ...dev, path: delivery });
  await api.webhooksReplayRange({
    ...dev,
    path: webhook,
    body: { developerId: 'dev-789', since: SINCE, until: page.rwgps_datetime },
  });
  await api.webhooksDelete({ ...dev, path: webhook });

  // The authorization server
  await api.oAuthMetadata(anonymous);
  await api.oAuthOpenIdMetadata(anonymous);
  await api.oAuthKeys(anonymous);
  const request = {
    client_id: application.id,
    redirect_uri: REDIRECT_URI,
    response_type: 'code' as const,
    scope: 'sync:read sync:write',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256' as const,
  };
  expectStatus(
    303,
    await api.oAuthAuthorize({ client: anonymous.client, baseUrl: environment.serverUrl, query: request }),
  );
  const link = (await api.passwordsInvite({ ...admin, path: { developerId: 'dev-789' }, body: {} })).data;
  if (Date.parse(link.expiresAt) <= Date.now()) throw new Error(`an invite has expired: ${link.expiresAt}`);
  const password = { password: 'a password of the tests' };
  await api.passwordsSet({ ...admin, path: { developerId: 'dev-789' }, body: password });
  const { code, verifier } = await environment.authorize(application.id, REDIRECT_URI, 'dev-789');
  const asClient = as(`${application.id}:${secret}`);
  const tokens = (
    await api.oAuthToken({
      ...asClient,
      body: { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: REDIRECT_URI },
    })
  ).data;
  const refreshed = (
    await api.oAuthToken({
      ...asClient,
      body: { grant_type: 'refresh_token', refresh_token: tokens.refresh_token! },
    })
  ).data;
  await api.oAuthToken({ ...asClient, body: { grant_type: 'client_credentials', scope: 'sync:read' } });
  await api.developersCurrent(as(refreshed.access_token));
  await api.oAuthUserInfo(as(refreshed.access_token));
  await api.oAuthIntrospect({ ...asClient, body: { token: refreshed.access_token } });
  await api.oAuthIntrospect({ ...asClient, body: { token: refreshed.refresh_token! } });
  const [grant] = (await api.grantsList(dev)).data.data;
  await api.oAuthRevoke({ ...asClient, body: { token: refreshed.access_token } });
  // In the body, as a public client does: nothing in a header.
  const ended = { ...clientPath, client_id: application.id, client_secret: secret! };
  const { active } = (
    await api.oAuthIntrospect({
      ...anonymous,
      body: {
        token: refreshed.refresh_token!,
        client_id: ended.client_id,
        client_secret: ended.client_secret,
      },
    })
  ).data;
  if (active) throw new Error(`grant ${grant.id} is active after the revocation of its token`);
  const second = await environment.authorize(application.id, REDIRECT_URI, 'dev-789');
  await api.oAuthToken({
    ...asClient,
    body: {
      grant_type: 'authorization_code',
      code: second.code,
      code_verifier: second.verifier,
      redirect_uri: REDIRECT_URI,
    },
  });
  const grants = (await api.grantsList(dev)).data.data;
  await api.grantsWithdraw({ ...dev, path: { id: grants.at(-1)!.id } });
  await api.signingKeysRotate({ ...admin, body: {} });

  // The end
  await api.apiClientsDelete({ ...admin, path: clientPath });
  await api.auditLogList({ ...admin, query: { limit: 100 } });
  await api.erasureErase({ ...admin, path: { developerId: user.developer_id } });
}

function expectStatus(expected: number, { response }: { response: Response }): void {
  if (response.status !== expected) throw new Error(`${response.url}: ${response.status}, not ${expected}`);
}
