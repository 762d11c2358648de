import type { OpenAPIObject } from '@nestjs/swagger';
import { CLIENT_SCOPES } from '../access/scopes.js';
import { ROUTES, USER_INFO } from './provider-configuration.js';

/*
 * The endpoints of the authorization server in OpenAPI. `oidc-provider` serves them, not controllers, so their
 * schemas are written by hand. test/openapi.e2e-spec.ts and test/clients compare them with the answers.
 */

type Paths = OpenAPIObject['paths'];
type Schemas = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>;
type Schema = Schemas[string];

export const OAUTH_TAG = 'OAuth';

/** Security scheme: how a confidential client authenticates at the endpoints that it calls. */
export const CLIENT_SECRET = 'client_secret';

const text = (description: string, example: string) => ({ type: 'string', description, example });
const uri = (description: string, path: string) => ({
  ...text(description, `https://sync.example.com${path}`),
  format: 'uri',
});
const integer = (description: string, example: number) => ({ type: 'integer', description, example });
const list = (description: string, ...example: string[]) => ({
  type: 'array',
  items: { type: 'string' },
  description,
  example,
});
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/** @param optional names of members that may be absent */
const object = (properties: Record<string, object>, optional: string[] = []) =>
  ({
    type: 'object',
    properties,
    required: Object.keys(properties).filter((name) => !optional.includes(name)),
  }) as Schema;

const CLIENT = {
  client_id: text(
    'Of a public client, or of one that sends its secret here.',
    '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d',
  ),
  client_secret: text(
    'In place of HTTP Basic authentication.',
    'tdms_9sYyqZexampleexampleexampleexampleexample',
  ),
};
const TOKEN = {
  token: text('A refresh token or an access token.', 'kV1example'),
  token_type_hint: {
    ...text(
      'Kind of the token (RFC 7009, section 2.1). The server finds the token without it.',
      'refresh_token',
    ),
    enum: ['access_token', 'refresh_token'],
  },
};
const SCOPE = CLIENT_SCOPES.join(' ');

/** Schemas of the bodies. */
export const OAUTH_SCHEMAS: Schemas = {
  OAuthTokenRequest: object(
    {
      grant_type: {
        ...text('What the client has.', 'client_credentials'),
        enum: ['authorization_code', 'refresh_token', 'client_credentials'],
      },
      code: text('Of `authorization_code`: the code. It is valid for 60 seconds, and once.', 'Jf4example'),
      redirect_uri: text(
        'Of `authorization_code`: as in the authorization request.',
        'https://app.example.com/callback',
      ),
      code_verifier: text(
        'Of `authorization_code`: the PKCE verifier (RFC 7636), 43 to 128 characters.',
        'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
      ),
      refresh_token: text('Of `refresh_token`: the newest one of the grant.', 'kV1example'),
      scope: text('Scopes, separated by spaces. Default: all that the client may have.', 'sync:read'),
      ...CLIENT,
    },
    ['code', 'redirect_uri', 'code_verifier', 'refresh_token', 'scope', ...Object.keys(CLIENT)],
  ),
  OAuthTokenBody: object(
    {
      access_token: text(
        'A JWT (RFC 9068): the bearer token of the API.',
        'eyJhbGciOiJFUzI1NiJ9.example.example',
      ),
      token_type: { ...text('Always `Bearer`.', 'Bearer'), enum: ['Bearer'] },
      expires_in: integer('Lifetime of the access token in seconds.', 3_600),
      scope: text('Granted scopes, separated by spaces.', SCOPE),
      refresh_token: text('Absent with client credentials. Each use returns a new one.', 'kV1example'),
      id_token: text(
        'An ID token (OpenID Connect), if `openid` was granted.',
        'eyJhbGciOiJFUzI1NiJ9.example.example',
      ),
    },
    ['refresh_token', 'id_token'],
  ),
  OAuthTokenReference: object({ ...TOKEN, ...CLIENT }, ['token_type_hint', ...Object.keys(CLIENT)]),
  OAuthIntrospectionBody: object(
    {
      active: {
        type: 'boolean',
        description: 'Whether the token works now. If false, there are no other members.',
        example: true,
      },
      token_type: text('Of an access token: `Bearer`.', 'Bearer'),
      scope: text('Scopes that the token has now, separated by spaces.', 'sync:read'),
      sub: text('`developerId` that the token acts for.', 'dev-789'),
      client_id: text('Client of the token.', '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d'),
      iss: uri('The issuer, PUBLIC_URL.', ''),
      aud: uri('The API.', '/api/v1'),
      exp: integer('End, in seconds since 1970.', 1_725_929_632),
      iat: integer('Issued at, in seconds since 1970.', 1_725_926_032),
      jti: text('Id of the token.', 'P0IyP5mw4V6r-KPPFUaiDjGEKfz7Hcqpm4QxLL9FqjT'),
    },
    ['token_type', 'scope', 'sub', 'client_id', 'iss', 'aud', 'exp', 'iat', 'jti'],
  ),
  OAuthUserInfoBody: object({ sub: text('`developerId` of the token.', 'dev-789') }),
  OAuthErrorBody: object(
    {
      error: text('Reason for programs (RFC 6749, section 5.2).', 'invalid_grant'),
      error_description: text('Reason for people.', 'grant request is invalid'),
      error_uri: text('A page about the reason.', 'https://sync.example.com/docs'),
    },
    ['error_description', 'error_uri'],
  ),
  OAuthKeyBody: object({
    kty: text('Type of the key.', 'EC'),
    crv: text('Curve.', 'P-256'),
    x: text('X coordinate, base64url.', 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU'),
    y: text('Y coordinate, base64url.', 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0'),
    use: text('Always `sig`.', 'sig'),
    alg: text('Algorithm of the signatures.', 'ES256'),
    kid: text(
      'Id of the key: `kid` in the header of a token.',
      'RnZmkFRTH1qoqON3-LVdXEVVbWa-W5NyQSg8s4pmcvk',
    ),
  }),
  OAuthKeysBody: object({
    keys: {
      type: 'array',
      items: ref('OAuthKeyBody'),
      description: 'Public keys: one signs; others verify tokens that were signed before a rotation.',
    },
  }),
  OAuthMetadataBody: {
    ...object({
      issuer: uri('PUBLIC_URL.', ''),
      authorization_endpoint: uri('Where the browser goes.', ROUTES.authorization),
      token_endpoint: uri('Where a client exchanges a code.', ROUTES.token),
      jwks_uri: uri('Public keys.', ROUTES.jwks),
      revocation_endpoint: uri('RFC 7009.', ROUTES.revocation),
      introspection_endpoint: uri('RFC 7662.', ROUTES.introspection),
      userinfo_endpoint: uri('Who has logged in.', USER_INFO),
      end_session_endpoint: uri('Where a browser logs out.', ROUTES.end_session),
      scopes_supported: list('Scopes.', ...CLIENT_SCOPES),
      response_types_supported: list('Response types.', 'code'),
      grant_types_supported: list(
        'Grant types.',
        'authorization_code',
        'refresh_token',
        'client_credentials',
      ),
      token_endpoint_auth_methods_supported: list(
        'How clients authenticate.',
        ...['client_secret_basic', 'client_secret_post', 'none'],
      ),
      code_challenge_methods_supported: list('PKCE methods.', 'S256'),
    }),
    additionalProperties: true,
  },
};

const answer = (description: string, schema: string, type = 'application/json') => ({
  description,
  content: { [type]: { schema: ref(schema) } },
});
const error = (description: string, code: string, details: string) => ({
  description,
  content: {
    'application/json': {
      schema: ref('OAuthErrorBody'),
      examples: { [code]: { summary: details, value: { error: code, error_description: details } } },
    },
  },
});
const page = (description: string) => ({
  description,
  content: { 'text/html': { schema: { type: 'string' } } },
});

const FAILURES = {
  500: error('Unexpected server-side issue.', 'server_error', 'oops! something went wrong'),
  503: error('The database cannot be reached.', 'temporarily_unavailable', 'The database cannot be reached.'),
};

const operation = (name: string, summary: string, description: string) => ({
  operationId: `OAuth_${name}`,
  summary,
  description,
  tags: [OAUTH_TAG],
  parameters: [] as object[],
});

/** An endpoint that a client calls with a form. */
const formEndpoint = (
  head: ReturnType<typeof operation>,
  schema: string,
  success: object,
  invalid: ReturnType<typeof error>,
) => ({
  post: {
    ...head,
    // Or neither: a public client, or a secret in the body.
    security: [{ [CLIENT_SECRET]: [] }, {}],
    requestBody: {
      required: true,
      // JSON, too.
      content: {
        'application/x-www-form-urlencoded': { schema: ref(schema) },
        'application/json': { schema: ref(schema) },
      },
    },
    responses: {
      200: success,
      400: invalid,
      401: error(
        'The client is unknown, or its secret is wrong.',
        'invalid_client',
        'client authentication failed',
      ),
      ...FAILURES,
    },
  },
});

/** A public document. */
const documentEndpoint = (head: ReturnType<typeof operation>, success: object) => ({
  get: { ...head, security: [], responses: { 200: success, ...FAILURES } },
});

const query = (name: string, description: string, schema: object = { type: 'string' }) => ({
  name,
  in: 'query',
  required: false,
  description,
  schema,
});
const required = (parameter: ReturnType<typeof query>, example: string) => ({
  ...parameter,
  required: true,
  example,
});

/** Paths of the endpoints that applications use. The pages that browsers show are not among them. */
export const OAUTH_PATHS = {
  [ROUTES.authorization]: {
    get: {
      ...operation(
        'authorize',
        'Authorization endpoint',
        'The application sends the browser here (RFC 6749, section 4.1). The developer logs in and consents, and ' +
          'the browser returns to the redirect URI with `code`, `state` and `iss`, or with `error`.',
      ),
      parameters: [
        required(query('client_id', '`id` of the API client.'), '0193a2f4-7c1b-7a5e-9d3c-2f1e0b9a8c7d'),
        required(
          query('redirect_uri', 'One of the `redirectUris` of the client, character by character.'),
          'https://app.example.com/callback',
        ),
        required(query('response_type', 'Always `code`.', { type: 'string', enum: ['code'] }), 'code'),
        query('scope', 'Scopes, separated by spaces. Default: all that the client may have.'),
        query('state', 'Returned as it is; at most 2,048 characters.'),
        query('code_challenge', 'PKCE (RFC 7636): base64url of the SHA-256 of the verifier.'),
        query('code_challenge_method', 'Always `S256`.', { type: 'string', enum: ['S256'] }),
        query('login_hint', '`developerId` for the login page.'),
        query('prompt', '`login` or `consent` asks again; `none` never asks.'),
      ],
      security: [],
      responses: {
        303: {
          description: 'To the login page, or to the redirect URI with `code` or `error`.',
          headers: { Location: { description: 'Where the browser goes.', schema: { type: 'string' } } },
        },
        400: page('The client or the redirect URI is unknown: a page for people.'),
        429: page('Too many logins were begun in this network. Try again after Retry-After.'),
        500: page('Unexpected server-side issue.'),
        503: page('The database cannot be reached. Try again after Retry-After seconds.'),
      },
    },
  },
  [ROUTES.token]: formEndpoint(
    operation(
      'token',
      'Token endpoint',
      'Exchanges a code or a refresh token, or begins with client credentials (RFC 6749). A confidential client ' +
        'authenticates with HTTP Basic, or with `client_secret` in the body; a public client sends `client_id`.',
    ),
    'OAuthTokenRequest',
    answer('The tokens.', 'OAuthTokenBody'),
    error('The request or the grant is not valid.', 'invalid_grant', 'grant request is invalid'),
  ),
  [ROUTES.revocation]: formEndpoint(
    operation(
      'revoke',
      'Revoke a token',
      'RFC 7009. Ends the grant of the token with all its tokens; a token of client credentials ends alone. The ' +
        'answer to an unknown token is the same.',
    ),
    'OAuthTokenReference',
    {
      description: 'The token does not work any more.',
      content: { 'application/json': { schema: { type: 'object' }, example: {} } },
    },
    error('The request is not valid.', 'invalid_request', "missing required parameter 'token'"),
  ),
  [ROUTES.introspection]: formEndpoint(
    operation(
      'introspect',
      'Introspect a token',
      'RFC 7662. Only tokens of the client itself can be active.',
    ),
    'OAuthTokenReference',
    answer('State of the token.', 'OAuthIntrospectionBody'),
    error('The request is not valid.', 'invalid_request', "missing required parameter 'token'"),
  ),
  [USER_INFO]: {
    get: {
      ...operation(
        'userInfo',
        'Who has logged in',
        'OpenID Connect Core, section 5.3: `sub`, as in the ID token, for libraries that read it here.',
      ),
      security: [{ bearer: [] }],
      responses: {
        200: answer('The developer.', 'OAuthUserInfoBody'),
        401: error(
          'The access token is not valid.',
          'invalid_token',
          'The access token is invalid, expired or revoked.',
        ),
        403: error('`openid` was not granted.', 'insufficient_scope', 'The token needs the scope openid.'),
        ...FAILURES,
      },
    },
  },
  [ROUTES.jwks]: documentEndpoint(
    operation('keys', 'Public keys', 'The JSON Web Key Set (RFC 7517) that verifies access tokens.'),
    answer('The keys.', 'OAuthKeysBody', 'application/jwk-set+json'),
  ),
  '/.well-known/oauth-authorization-server': documentEndpoint(
    operation('metadata', 'Metadata', 'Authorization server metadata (RFC 8414).'),
    answer('The metadata.', 'OAuthMetadataBody'),
  ),
  '/.well-known/openid-configuration': documentEndpoint(
    operation('openIdMetadata', 'Metadata, at the address of OpenID Connect', 'The same document.'),
    answer('The metadata.', 'OAuthMetadataBody'),
  ),
} as Paths;
