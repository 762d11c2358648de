import { config } from '../config.js';
import { errors } from './oidc-provider.js';
import { errorPage } from './pages.js';

const MAKERS = 'The makers of the application can repair it:';

/** For people, by error code of OAuth: the problem, and who can repair it and how. */
const WORDS: Record<string, [message: string, advice: string] | undefined> = {
  invalid_client: [
    `The application that sent you here is not registered with ${config.SERVICE_NAME}.`,
    `${MAKERS} client_id must be the id of an API client that exists.`,
  ],
  invalid_redirect_uri: [
    'The application asks to send you back to an address that is not registered for it.',
    `For your safety, the login ends here. ${MAKERS} redirect_uri must equal one of the redirectUris of its ` +
      'API client, character by character.',
  ],
  server_error: [
    'Something went wrong on this server.',
    `Try again in a minute. If it happens again, tell the operator of ${config.SERVICE_NAME}: the log of the ` +
      'server has the cause.',
  ],
};

/** The page of an error of the library `oidc-provider`, in our words. */
export function errorPageOf(error: Error): string {
  // The message of a protocol error is its code; that of any other error stays in the log.
  const { expose, message, error_description } = error as Partial<
    InstanceType<typeof errors.OIDCProviderError>
  >;
  // The logout form has a token against CSRF, which belongs to the session.
  if (error instanceof errors.SessionNotFound || error_description?.startsWith('xsrf token'))
    return errorPage(
      'This page has expired, or belongs to another browser.',
      'Go back to the application and begin again.',
      message,
    );
  const code = expose && message ? message : 'server_error';
  const [problem, advice] = WORDS[code] ?? [
    `The application that sent you here made a request that ${config.SERVICE_NAME} does not accept.`,
    `${MAKERS} ${error_description ?? 'the code below says what is wrong'}.`,
  ];
  return errorPage(problem, advice, code);
}
