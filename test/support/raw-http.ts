import { connect } from 'node:net';
import { once } from 'node:events';

/** An answer as it came over the wire. */
export interface RawAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/**
 * Sends bytes that no HTTP client would, on a connection of their own, and waits for the server to close it: ask for
 * that with `Connection: close`.
 *
 * @param request a string is sent as Latin-1
 * @param hangUp close our side at once: for a request that promises more than it sends
 * @returns every answer but `100 Continue`; none if the server just closed the connection
 */
export async function sendRaw(url: string, request: string | Buffer, hangUp = false): Promise<RawAnswer[]> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let received = Buffer.alloc(0);
  socket.on('data', (data) => (received = Buffer.concat([received, data])));
  // The server may close while we still send; what it said until then counts.
  socket.on('error', () => {});
  const bytes = typeof request === 'string' ? Buffer.from(request, 'latin1') : request;
  if (hangUp) socket.end(bytes);
  else socket.write(bytes);
  await once(socket, 'close');
  const isHead = bytes.subarray(0, 5).toString() === 'HEAD ';
  return [...parseAnswers(received, isHead)].filter(({ status }) => status !== 100);
}

function* parseAnswers(bytes: Buffer, isHead: boolean): Generator<RawAnswer> {
  while (bytes.length > 0) {
    const end = bytes.indexOf('\r\n\r\n');
    const [statusLine, ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
    if (end < 0 || !status) throw new Error(`no HTTP: ${bytes.toString('latin1')}`);
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    bytes = bytes.subarray(end + 4);
    let body: string;
    // (A server that could not read the request does not know that it was a HEAD.)
    const isWithoutBody = isHead && (bytes.length === 0 || bytes.subarray(0, 5).toString() === 'HTTP/');
    if (isWithoutBody || status < 200 || status === 204 || status === 304) {
      body = '';
    } else if (headers['transfer-encoding'] === 'chunked') {
      [body, bytes] = dechunk(bytes);
    } else {
      const length = Number(headers['content-length'] ?? bytes.length);
      body = bytes.subarray(0, length).toString();
      bytes = bytes.subarray(length);
    }
    yield { status, headers, body };
  }
}

/** A chunked body, and what follows it. */
function dechunk(bytes: Buffer): [string, Buffer] {
  const chunks: Buffer[] = [];
  for (;;) {
    const end = bytes.indexOf('\r\n');
    const size = parseInt(bytes.subarray(0, end).toString(), 16);
    if (size === 0) return [Buffer.concat(chunks).toString(), bytes.subarray(end + 4)];
    chunks.push(bytes.subarray(end + 2, end + 2 + size));
    bytes = bytes.subarray(end + 2 + size + 2);
  }
}
