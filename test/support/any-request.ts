import fc from 'fast-check';

export interface AnyRequest {
  method: string;
  /** Request line and headers, as Latin-1. */
  head: string;
  body: Buffer;
}

/** Valid parts of requests: with them, some of the requests reach existing resources. */
export interface KnownParts {
  /** Methods with URL templates, such as `GET /api/v1/sync/records/{id}`. */
  operations: string[];
  /** Values for the parameters of the templates. */
  segments: string[];
  /** API keys. */
  keys: string[];
}

/** Valid 6 times of 7: a request with only few invalid parts gets past the first checks of the server. */
const mostly = <T>(valid: fc.Arbitrary<T>, invalid: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 6, arbitrary: valid }, { weight: 1, arbitrary: invalid });

const oneOf = <T>(...values: T[]) => fc.constantFrom(...values);

/** Bytes without spaces and control characters, which would end a URL or a header. */
const bytes = fc.string({
  unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code)),
});

const text = fc.oneof(
  bytes,
  fc.webPath().map((path) => path.slice(1)),
  oneOf('%00', '%ff', '%ed%a0%80', '%', '%zz', '%2e%2e%2f', '..', '.', '%0d%0a', '\xff\xfe', "'", '%27--'),
  oneOf('__proto__', 'constructor', 'null', '-1', '1e9', '99999999999999999999', '9007199254740993'),
  oneOf('0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d', 'x'.repeat(3_000), '%F0%9F%98%80'.repeat(300)),
);

const query = fc
  .array(
    mostly(
      oneOf(
        ...[
          'since=1970-01-01',
          'since=2024-09-09T22:53:52+00:00',
          'assets=routes,trips',
          'limit=1',
          'page=1',
        ],
        ...['developerId=dev-789', 'developerId=nobody', 'resourceType=ROUTE', 'status=ACTIVE'],
      ),
      fc.oneof(
        fc
          .tuple(oneOf('since', 'assets', 'limit', 'page', 'developerId', 'resourceType', 'status'), text)
          .map(([name, value]) => `${name}=${value}`),
        fc.tuple(text, text).map(([name, value]) => `${name}=${value}`),
        oneOf('a[b]=c', 'a[]=1', '__proto__[x]=1', '__proto__=1', '&&', '=', '?', 'since='),
      ),
    ),
    { maxLength: 3 },
  )
  .map((parameters) => (parameters.length === 0 ? '' : `?${parameters.join('&')}`));

const header = fc
  .tuple(
    oneOf(
      ...['If-Match', 'If-None-Match', 'If-Modified-Since', 'If-Unmodified-Since', 'If-Range', 'Range'],
      ...[
        'Accept',
        'Accept-Encoding',
        'Content-Encoding',
        'Cookie',
        'Origin',
        'Access-Control-Request-Method',
      ],
      ...['X-Request-Id', 'X-Forwarded-For', 'X-HTTP-Method-Override', 'Forwarded', 'Upgrade', 'Prefer'],
    ),
    fc.oneof(
      text,
      oneOf(
        '',
        '*',
        'W/"x"',
        '"x", "y"',
        ',,,',
        '"',
        'bytes=0-',
        'bytes=999999999-',
        'no-cache',
        'gzip',
        'q=,;',
      ),
    ),
  )
  .map(([name, value]) => `${name}: ${value}`);

/** A valid body with at most two fields replaced by arbitrary values. */
const almostValidBody = fc
  .tuple(
    oneOf(
      { developerId: 'dev-789', resourceType: 'ROUTE', resourceKey: 'fuzz', data: {} },
      { data: { a: 1 }, status: 'ACTIVE', metadata: {} },
      { developerId: 'dev-789', scopes: ['sync:read'] },
    ),
    fc.dictionary(
      oneOf(
        ...['developerId', 'resourceType', 'resourceKey', 'data', 'status', 'metadata', 'id'],
        ...['scopes', 'name', 'expiresAt', 'constructor', 'toString'],
      ),
      fc.oneof(
        fc.jsonValue(),
        fc.string({ unit: 'binary' }),
        oneOf('dev-789', 'ROUTE', 'sync:admin', '\0', '\ud800', '😀'.repeat(256), '2030-01-01T00:00:00Z'),
        fc.array(oneOf('sync:read', 'sync:admin', 'x', null)),
      ),
      { maxKeys: 2, noNullPrototype: true },
    ),
  )
  .map(([valid, replaced]) => JSON.stringify({ ...valid, ...replaced }));

const body = mostly(
  almostValidBody.map((json) => Buffer.from(json)),
  fc.oneof(
    fc.json({ stringUnit: 'binary' }).map((json) => Buffer.from(json)),
    fc.uint8Array({ maxLength: 64 }).map((array) => Buffer.from(array)),
    oneOf('', '{"data":'.repeat(5_000), '[', '{"data":{"a":1e999}}', 'null').map((json) => Buffer.from(json)),
  ),
);

/** Generator (fast-check) of HTTP requests, valid and invalid, each with `Connection: close`. */
export function anyRequest({ operations, segments, keys }: KnownParts): fc.Arbitrary<AnyRequest> {
  const method = mostly(
    oneOf('GET', 'POST', 'PATCH', 'DELETE'),
    oneOf('HEAD', 'OPTIONS', 'PUT', 'TRACE', 'PROPFIND', 'get', 'FOO'),
  );
  const operation = oneOf(...operations).map((known) => known.split(' '));
  const target = fc
    .tuple(
      mostly(
        operation,
        fc.tuple(
          method,
          fc.oneof(
            operation.map(([, route]) => route),
            text.map((path) => `/${path}`),
          ),
        ),
      ),
      fc.array(mostly(oneOf(...segments), text), { minLength: 2, maxLength: 2 }),
    )
    .map(([[method, route], values]) => {
      let used = 0;
      return { method, path: route.replace(/\{[^}]*\}/g, () => values[used++]) };
    });
  return fc
    .record({
      target,
      query,
      authorization: mostly(oneOf(...keys.map((key) => `Bearer ${key}`)), text),
      headers: fc.array(header, { maxLength: 2 }),
      contentType: mostly(
        oneOf('application/json'),
        fc.oneof(bytes, oneOf('application/json; charset=x', 'a/b;c', '')),
      ),
      body,
    })
    .map(({ target: { method, path }, query, authorization, headers, contentType, body }) => ({
      method,
      head: [
        `${method} ${path}${query} HTTP/1.1`,
        'Host: localhost',
        `Authorization: ${authorization}`,
        ...headers,
        ...(method === 'GET' ? [] : [`Content-Type: ${contentType}`, `Content-Length: ${body.length}`]),
        'Connection: close\r\n\r\n',
      ].join('\r\n'),
      body: method === 'GET' ? Buffer.alloc(0) : body,
    }));
}
