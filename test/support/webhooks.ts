import type { Api } from './api.js';
import type { Receiver } from './receiver.js';

export const WEBHOOKS = '/api/v1/webhooks';

/** An application with an endpoint at a receiver. */
export interface Application {
  clientId: string;
  /** Path of its endpoint. */
  webhook: string;
  receiver: Receiver;
  /** Requests of a developer through this application, which makes it be told of that developer's feed. */
  connect: (developerId: string, scopes?: string[]) => Promise<Api>;
}

async function created(admin: Api, path: string, input: object) {
  const { status, body } = await admin.post(path, input);
  if (status !== 201) throw new Error(`${path} answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

export async function createClient(admin: Api, developerId: string): Promise<string> {
  return (
    await created(admin, '/api/v1/api-clients', {
      name: 'app',
      developerId,
      scopes: ['sync:read', 'sync:write'],
    })
  ).id;
}

/** Requests of a developer with a key that belongs to an application. */
export async function createClientKey(
  admin: Api,
  clientId: string,
  developerId: string,
  scopes = ['sync:read', 'sync:write'],
): Promise<Api> {
  const { key } = await created(admin, '/api/v1/api-keys', { developerId, clientId, scopes });
  return new (admin.constructor as typeof Api)(admin.url, key);
}

export async function createEndpoint(
  admin: Api,
  clientId: string,
  receiver: Receiver,
  options: object = {},
): Promise<string> {
  const { id, secret } = await created(admin, WEBHOOKS, { clientId, url: receiver.url, ...options });
  receiver.secrets.push(secret);
  return `${WEBHOOKS}/${id}`;
}

/** An application of a developer of its own, whose endpoint is at this receiver. */
export async function createApplication(
  admin: Api,
  receiver: Receiver,
  options: object = {},
): Promise<Application> {
  const clientId = await createClient(admin, 'app-owner');
  return {
    clientId,
    webhook: await createEndpoint(admin, clientId, receiver, options),
    receiver,
    connect: (developerId, scopes) => createClientKey(admin, clientId, developerId, scopes),
  };
}
