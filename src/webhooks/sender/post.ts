import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { LookupFunction, Socket } from 'node:net';
import { webhookSent } from '../../signals/signals.js';
import { parseEndpointUrl, RefusedUrlError, resolveEndpoint } from './public-address.js';

/** Bytes of an answer's body that are read; then the connection is closed. */
const MAX_ANSWER = 1_024;

/** Result of a request. It was acknowledged if `status` is 2xx and `error` is null. */
export interface Outcome {
  startedAt: Date;
  durationMs: number;
  status: number | null;
  /** Why there is no complete answer. */
  error: string | null;
  /** The beginning of the answer's body. */
  answer: string | null;
  /** Headers of the answer. */
  retryAfter: string | undefined;
  date: string | undefined;
}

export const isAcknowledged = ({ status, error }: Pick<Outcome, 'status' | 'error'>) =>
  error === null && status !== null && status >= 200 && status < 300;

/** PostgreSQL has no NUL in text. Invalid UTF-8 and characters that are cut in half become U+FFFD, too. */
const toText = (bytes: Buffer) => bytes.subarray(0, MAX_ANSWER).toString('utf8').replaceAll('\0', '\ufffd');

/**
 * Sends one POST on a connection of its own, to an address that has just been checked. Redirects are not
 * followed.
 *
 * @param allowPrivate as in `parseEndpointUrl`
 * @param timeout in ms, from the look-up of the host to the last byte that is read of the answer
 */
export async function post(
  target: string,
  headers: Record<string, string>,
  body: string,
  allowPrivate: boolean,
  timeout: number,
): Promise<Outcome> {
  const startedAt = new Date();
  const start = performance.now();
  const signal = AbortSignal.timeout(timeout);
  const chunks: Buffer[] = [];
  let response: IncomingMessage | undefined;
  let error: string | null = null;
  try {
    response = await send(target, headers, body, allowPrivate, signal);
    let size = 0;
    // Leaving the loop closes the connection.
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      if ((size += chunk.length) >= MAX_ANSWER) break;
    }
  } catch (failure) {
    error = signal.aborted ? `no complete answer within ${timeout / 1_000} s` : reasonOf(failure);
  }
  const duration = performance.now() - start;
  const status = response?.statusCode ?? null;
  webhookSent.publish({ status: error === null ? status : null, seconds: duration / 1_000 });
  return {
    startedAt,
    durationMs: Math.round(duration),
    status,
    error,
    answer: response ? toText(Buffer.concat(chunks)) : null,
    retryAfter: response?.headers['retry-after'],
    date: response?.headers.date,
  };
}

async function send(
  target: string,
  headers: Record<string, string>,
  body: string,
  allowPrivate: boolean,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const url = parseEndpointUrl(target, allowPrivate);
  const addresses = await Promise.race([resolveEndpoint(url, allowPrivate), rejectionOf(signal)]);
  // DNS rebinding: the certificate and the Host header are of the name, the address is the one that was
  // checked.
  const lookup: LookupFunction = (_host, { all }, done) =>
    all ? done(null, addresses) : done(null, addresses[0].address, addresses[0].family);
  const request = (url.protocol === 'https:' ? https : http).request(url, {
    method: 'POST',
    headers: { ...headers, 'Content-Length': Buffer.byteLength(body) },
    agent: false,
    lookup,
    signal,
  });
  // Also of errors on the connection when the answer has been read.
  request.on('error', () => {});
  request.end(body);
  const answer = Promise.race([once(request, 'response'), once(request, 'upgrade')]);
  const [response, socket] = (await answer) as [IncomingMessage, Socket?];
  if (!socket) return response;
  // 101 (Switching Protocols), unasked: Node emits neither a response nor an error.
  socket.destroy();
  throw Object.assign(new Error('another protocol'), { code: 'UPGRADE' });
}

const rejectionOf = (signal: AbortSignal) =>
  new Promise<never>((_resolve, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
  );

/** The code alone: a message may contain the URL, and with it a secret. */
function reasonOf(failure: unknown): string {
  if (failure instanceof RefusedUrlError) return `the URL is refused: ${failure.message}`;
  const { code } = failure as { code?: unknown };
  return typeof code === 'string' ? code.slice(0, 100) : 'the request failed';
}
