import { IncomingMessage } from 'node:http';
import { invalidRequest } from '../http/api-error.js';

/*
 * JSON bodies of the OAuth endpoints. RFC 6749 knows forms alone, and so does the library; some client libraries send
 * JSON.
 */

/** The form with the same parameters. @param json an object of texts. @throws ApiError 400 */
export function formOf(json: string): string {
  const parameters = parse(json);
  if (typeof parameters !== 'object' || parameters === null || Array.isArray(parameters)) throw NO_OBJECT;
  const entries = Object.entries(parameters).filter(([, value]) => value !== null);
  if (!entries.every((entry): entry is [string, string] => typeof entry[1] === 'string')) throw NO_OBJECT;
  return new URLSearchParams(entries).toString();
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw NO_OBJECT;
  }
}

const NO_OBJECT = invalidRequest('The body must be a JSON object whose values are strings.');

/** The same request with a form as body. @param raw its body has been read */
export function withForm(raw: IncomingMessage, form: string): IncomingMessage {
  const { method, url, headers, httpVersion, httpVersionMajor, httpVersionMinor, socket } = raw;
  const request = Object.assign(new IncomingMessage(socket), {
    ...{ method, url, httpVersion, httpVersionMajor, httpVersionMinor },
    headers: {
      ...headers,
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(Buffer.byteLength(form)),
      'transfer-encoding': undefined,
    },
    // Otherwise its end would destroy the connection, as if the client had gone away.
    complete: true,
  });
  request.push(form);
  request.push(null);
  return request;
}
