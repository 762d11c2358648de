import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { TidemarkDataSource } from '../database/tidemark-data-source.js';
import type { GrantsService } from '../tokens/grants.service.js';
import { ExpiryService } from './expiry.service.js';

const MINUTE = 60_000;

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** A service whose statements end when told to. */
function create() {
  const statements: { sql: string; end: () => void }[] = [];
  const execute = (sql: string) =>
    new Promise<unknown[]>((resolve) => statements.push({ sql, end: () => resolve([]) }));
  const removeExpired = jest.fn(async () => {});
  const expiry = new ExpiryService(
    { execute } as unknown as TidemarkDataSource,
    { removeExpired } as unknown as GrantsService,
  );
  expiry.onApplicationBootstrap();
  return { expiry, statements, removeExpired };
}

it('removes once a minute, one statement at a time, and never twice at once', async () => {
  const { expiry, statements, removeExpired } = create();
  await jest.advanceTimersByTimeAsync(MINUTE - 1);
  expect(statements).toHaveLength(0);
  await jest.advanceTimersByTimeAsync(3 * MINUTE);
  expect(statements).toHaveLength(1);
  for (let n = 0; n < 3; n++) {
    expect(removeExpired).not.toHaveBeenCalled();
    statements[n].end();
    await jest.advanceTimersByTimeAsync(0);
  }
  expect(statements.map(({ sql }) => /DELETE FROM (\w+)/.exec(sql)![1])).toEqual([
    'oauth_states',
    'invites',
    'login_attempts',
  ]);
  expect(removeExpired).toHaveBeenCalledTimes(1);
  await jest.advanceTimersByTimeAsync(MINUTE);
  expect(statements).toHaveLength(4);
  statements[3].end();
  await expiry.onModuleDestroy();
});

it('at shutdown lets a running removal finish, and starts no other one', async () => {
  const { expiry, statements, removeExpired } = create();
  await jest.advanceTimersByTimeAsync(MINUTE);
  const ended = jest.fn();
  const end = expiry.onModuleDestroy().then(ended);
  for (let n = 0; n < 3; n++) {
    await jest.advanceTimersByTimeAsync(MINUTE);
    expect(ended).not.toHaveBeenCalled();
    statements[n].end();
  }
  await end;
  expect(removeExpired).toHaveBeenCalledTimes(1);
  await jest.advanceTimersByTimeAsync(5 * MINUTE);
  expect(statements).toHaveLength(3);
});

it('goes on after a failure', async () => {
  const { expiry, statements, removeExpired } = create();
  removeExpired.mockRejectedValueOnce(new Error('no database'));
  for (let n = 0; n < 6; n++) {
    await jest.advanceTimersByTimeAsync(n % 3 === 0 ? MINUTE : 0);
    statements[n].end();
  }
  await expiry.onModuleDestroy();
  expect(removeExpired).toHaveBeenCalledTimes(2);
});
