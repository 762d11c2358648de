import type { IncomingMessage } from 'node:http';
import { ApiError } from './api-error.js';

/** ms without a byte after which a body is not waited for. */
const SILENCE = 10_000;

/** Closes the connection: the rest of the body would be taken for the next request. */
const requestTimeout = () =>
  new ApiError(408, 'invalid_request', 'Request timeout', undefined, { Connection: 'close' });

const payloadTooLarge = () => new ApiError(413, 'payload_too_large', 'Payload too large');

/** Bytes that a request announces; undefined: it does not say. @throws ApiError 413 */
export function bodyLengthOf({ headers }: IncomingMessage, limit: number): number | undefined {
  const length = headers['content-length'];
  if (length === undefined) return undefined;
  if (Number(length) > limit) throw payloadTooLarge();
  return Number(length);
}

/**
 * Reads a request body.
 *
 * @param limit in bytes
 * @throws ApiError 400 if the connection ends first, 408 if the client falls silent, 413
 */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const timer = setTimeout(() => fail(requestTimeout()), SILENCE);
    const onData = (chunk: Buffer) => {
      timer.refresh();
      chunks.push(chunk);
      length += chunk.length;
      if (length > limit) fail(payloadTooLarge());
    };
    const onEnd = () => {
      stop();
      resolve(Buffer.concat(chunks, length));
    };
    const onClose = () =>
      fail(new ApiError(400, 'invalid_request', 'Invalid request', 'The body is incomplete.'));
    const stop = () => {
      clearTimeout(timer);
      request.off('data', onData).off('end', onEnd).off('error', onClose).off('close', onClose);
    };
    const fail = (error: ApiError) => {
      stop();
      // The rest is dropped: the client reads the answer only when it has sent everything.
      request.on('error', () => {}).resume();
      reject(error);
    };
    request.on('data', onData).on('end', onEnd).on('error', onClose).on('close', onClose);
  });
}
