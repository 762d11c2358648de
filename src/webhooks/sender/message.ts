import { config } from '../../config.js';
import { type Outcome, post } from './post.js';
import { signatureHeaders } from './signature.js';

/** A message as it goes to an endpoint; the same in each attempt, but for its signature. */
export interface Message {
  /** `webhook-id`. */
  id: string;
  body: string;
}

/** The range of a feed that a message is about. */
interface Range {
  user_id: number;
  since: string;
  until: string;
}

/** Body of a message. @param range null in a test */
export const bodyOf = (notifications: object[], range: Range | null) =>
  JSON.stringify({ notifications, range });

/** The secrets that sign: two during the overlap of a rotation. */
export const secretsOf = ({ secret, previousSecret }: { secret: string; previousSecret: string | null }) =>
  previousSecret === null ? [secret] : [secret, previousSecret];

/** Makes one request. @param timeout in ms */
export function send(
  url: string,
  { id, body }: Message,
  secrets: readonly string[],
  timeout: number,
): Promise<Outcome> {
  const headers = {
    'Content-Type': 'application/json',
    'User-Agent': 'Tidemark-Webhooks/1',
    'Accept-Encoding': 'identity',
    ...signatureHeaders(id, body, secrets),
  };
  return post(url, headers, body, config.WEBHOOK_ALLOW_PRIVATE, timeout);
}
