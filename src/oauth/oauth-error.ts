import type { ApiError } from '../http/api-error.js';

/** The body of an error that applications get (RFC 6749, sections 4.1.2.1 and 5.2). */
export const oauthErrorOf = (error: ApiError) => {
  const status = error.getStatus();
  return {
    error: status === 503 ? 'temporarily_unavailable' : status >= 500 ? 'server_error' : 'invalid_request',
    error_description: error.details ?? error.message,
  };
};
