import type { Api } from './api.js';
import { createClient, createClientKey } from './api-clients.js';
import type { Receiver } from './receiver.js';

export const WEBHOOKS = '/api/v1/webhooks';

/** An API client with a webhook endpoint at a receiver. */
export interface Application {
  clientId: string;
  /** Path of its endpoint in the API. */
  webhook: string;
  receiver: Receiver;
  /**
   * Creates a key of the client for a developer: from then on the endpoint receives that developer's feed.
   */
  connect: (developerId: string, scopes?: string[]) => Promise<Api>;
}

/** Creates an endpoint, and tells the receiver its secret. @returns its path in the API */
export async function createEndpoint(
  admin: Api,
  clientId: string,
  receiver: Receiver,
  options: object = {},
): Promise<string> {
  const { status, body } = await admin.post(WEBHOOKS, { clientId, url: receiver.url, ...options });
  if (status !== 201) throw new Error(`no webhook: ${status} ${JSON.stringify(body)}`);
  receiver.secrets.push(body.secret);
  return `${WEBHOOKS}/${body.id}`;
}

/** Creates an API client, owned by a developer of its own, with an endpoint at this receiver. */
export async function createApplication(
  admin: Api,
  receiver: Receiver,
  options: object = {},
): Promise<Application> {
  const { id: clientId } = await createClient(admin, { developerId: 'app-owner' });
  return {
    clientId,
    webhook: await createEndpoint(admin, clientId, receiver, options),
    receiver,
    connect: (developerId, scopes) => createClientKey(admin, clientId, developerId, scopes),
  };
}
