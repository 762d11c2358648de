import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A response as it arrived on the connection. */
export interface RawAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/**
 * Sends raw bytes, such as invalid HTTP, on a new connection, and waits until the server closes it (send
 * `Connection: close`).
 *
 * @param request a string is sent as Latin-1
 * @param hangUp half-close at once: for a request with a shorter body than its Content-Length
 * @returns all responses except `100 Continue`; none if the server just closed the connection
 */
export async function sendRaw(url: string, request: string | Buffer, hangUp = false): Promise<RawAnswer[]> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let received = Buffer.alloc(0);
  socket.on('data', (data) => (received = Buffer.concat([received, data])));
  // Ignored: the server may close while bytes are still being sent. The data received so far counts.
  socket.on('error', () => {});
  const bytes = typeof request === 'string' ? Buffer.from(request, 'latin1') : request;
  if (hangUp) socket.end(bytes);
  else socket.write(bytes);
  await once(socket, 'close');
  const isHead = bytes.subarray(0, 5).toString() === 'HEAD ';
  return [...parseResponses(received, isHead)].filter(({ status }) => status !== 100);
}

export type OpenConnection = Socket & { text: string };

/**
 * Opens a connection that stays open. `text` has what it has received so far.
 *
 * @param text is sent at once
 * @param localAddress of the client, such as `127.0.0.2`
 */
export async function openConnection(url: string, text = '', localAddress?: string): Promise<OpenConnection> {
  const { port, hostname } = new URL(url);
  const connection = connect({ port: Number(port), host: hostname, localAddress });
  const socket = Object.assign(connection, { text: '' });
  socket.on('error', () => {}).on('data', (data: Buffer) => (socket.text += data.toString()));
  await once(socket, 'connect');
  socket.write(text);
  return socket;
}

function* parseResponses(bytes: Buffer, isHead: boolean): Generator<RawAnswer> {
  while (bytes.length > 0) {
    const end = bytes.indexOf('\r\n\r\n');
    const [statusLine, ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
    if (end < 0 || !status) throw new Error(`invalid HTTP: ${bytes.toString('latin1')}`);
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    bytes = bytes.subarray(end + 4);
    let body: string;
    // A server that could not parse the request does not know that it was a HEAD, and sends a body.
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

/** Decodes a chunked body. @returns the body, and the bytes after it */
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
