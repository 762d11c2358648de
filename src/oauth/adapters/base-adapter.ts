import type { Adapter, AdapterPayload } from 'oidc-provider';

/** Base of the adapters: the members that the library never calls for a model throw. */
export abstract class BaseAdapter implements Adapter {
  abstract find(id: string): Promise<AdapterPayload | undefined>;

  upsert(id: string, payload: AdapterPayload, expiresIn: number): Promise<void>;
  upsert(): Promise<void> {
    return unsupported('upsert');
  }

  findByUid(uid: string): Promise<AdapterPayload | undefined>;
  findByUid(): Promise<undefined> {
    return unsupported('findByUid');
  }

  findByUserCode(): Promise<undefined> {
    return unsupported('findByUserCode');
  }

  consume(id: string): Promise<void>;
  consume(): Promise<void> {
    return unsupported('consume');
  }

  destroy(id: string): Promise<void>;
  destroy(): Promise<void> {
    return unsupported('destroy');
  }

  revokeByGrantId(grantId: string): Promise<void>;
  revokeByGrantId(): Promise<void> {
    return unsupported('revokeByGrantId');
  }
}

function unsupported(member: string): never {
  throw new Error(`oidc-provider called ${member}() of a model that does not support it`);
}
