import { describe, expect, it } from '@jest/globals';
import { EventEmitter } from 'node:events';
import type { FastifyReply } from 'fastify';
import { Caller } from '../access/caller.js';
import { ApiError } from '../http/api-error.js';
import { connectionLimit } from '../http/connection-limits.js';
import type { FeedWakeUps } from './feed-wake-ups.js';
import { LiveRequests } from './live-requests.js';

const caller = new Caller({ userId: 1, developerId: 'dev-1' }, ['sync:read'], { kind: 'api_key', id: 'key' });

/** Waiters that are registered, and the requests of them. */
function start() {
  const waiters = new Set<unknown>();
  const wakeUps = {
    add: (waiter: unknown) => {
      waiters.add(waiter);
      return () => waiters.delete(waiter);
    },
  } as unknown as FeedWakeUps;
  return { waiters, requests: new LiveRequests(wakeUps) };
}

const replyOf = (closed: boolean) =>
  ({ raw: Object.assign(new EventEmitter(), { closed }) }) as unknown as FastifyReply;

describe('a live request', () => {
  it('is there until its response is closed', () => {
    const { waiters, requests } = start();
    const reply = replyOf(false);
    const request = requests.open(caller, 1, reply);
    expect([requests.size, waiters.size, request.isEnded]).toEqual([1, 1, false]);
    reply.raw.emit('close');
    expect([requests.size, waiters.size, request.isEnded]).toEqual([0, 0, true]);
  });

  it('leaves nothing behind if its client had gone before it waits', () => {
    const { waiters, requests } = start();
    // More than one credential may have.
    for (let n = 0; n < 2_000; n++) expect(requests.open(caller, 1, replyOf(true)).isEnded).toBe(true);
    expect([requests.size, waiters.size]).toEqual([0, 0]);
  });

  it('is one of half of the connections, and of a tenth of that of its credential', () => {
    const { requests } = start();
    const open = (id: string) =>
      requests.open(
        new Caller({ userId: 1, developerId: 'dev-1' }, ['sync:read'], { kind: 'api_key', id }),
        1,
        replyOf(false),
      );
    const limit = connectionLimit() / 2;
    for (let n = 0; n < limit / 10; n++) open('key');
    expect(() => open('key')).toThrow(ApiError);
    for (let n = requests.size; n < limit; n++) open(`key-${n}`);
    expect(() => open('other')).toThrow(ApiError);
  });
});
