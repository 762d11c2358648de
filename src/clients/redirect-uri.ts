import { ValidateBy } from 'class-validator';

/** Printable ASCII without what parsers read differently: the comparison at the authorization is of plain text. */
const PLAIN = /^[\x21-\x7e]{1,2000}$/;

const LOOPBACK = ['127.0.0.1', '[::1]', 'localhost'];

/**
 * May an authorization code be sent there? To an https URL, to the user's own machine, or to the private-use scheme of
 * a native app, which is a reversed domain name (RFC 8252, section 7.1) and so has a dot; `javascript:` has none.
 */
export function isRedirectUri(value: unknown): value is string {
  if (typeof value !== 'string' || !PLAIN.test(value) || /[#*\\"<>^`{|}]/.test(value)) return false;
  if (!URL.canParse(value)) return false;
  const { protocol, hostname, username, password } = new URL(value);
  if (username !== '' || password !== '') return false;
  // The parser would also take https:example.com.
  if (protocol === 'https:') return /^https:\/\/[^/?]/i.test(value);
  if (protocol === 'http:') return /^http:\/\/[^/?]/i.test(value) && LOOPBACK.includes(hostname);
  return /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:$/.test(protocol);
}

/** A list of such URIs. */
export const AreRedirectUris = () =>
  ValidateBy(
    {
      name: 'isRedirectUri',
      validator: {
        validate: isRedirectUri,
        defaultMessage: () =>
          'each of redirectUris must be an https URL, an http URL of 127.0.0.1, [::1] or localhost, or a URI whose ' +
          'scheme is a reversed domain name, such as com.example.app:/done, without fragment, wildcard and credentials',
      },
    },
    { each: true },
  );
