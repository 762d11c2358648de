import { ValidateBy } from 'class-validator';

/** Printable ASCII: redirect URIs are compared as plain text, so no two parsers may disagree about one. */
const PLAIN = /^[\x21-\x7e]{1,2000}$/;

const LOOPBACK = ['127.0.0.1', '[::1]', 'localhost'];

/**
 * Accepts https URLs, http URLs of the loopback interface, and private-use schemes of native apps. Such a
 * scheme is a reversed domain name (RFC 8252, section 7.1), so it has a dot; `javascript:` has none.
 */
export function isRedirectUri(value: unknown): value is string {
  if (typeof value !== 'string' || !PLAIN.test(value) || /[#*\\"<>^`{|}]/.test(value)) return false;
  if (!URL.canParse(value)) return false;
  const { protocol, hostname, username, password } = new URL(value);
  if (username !== '' || password !== '') return false;
  // The URL parser also accepts https:example.com.
  if (protocol === 'https:') return /^https:\/\/[^/?]/i.test(value);
  if (protocol === 'http:') return /^http:\/\/[^/?]/i.test(value) && LOOPBACK.includes(hostname);
  return /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:$/.test(protocol);
}

/** Validates each element of a list with `isRedirectUri`. */
export const AreRedirectUris = () =>
  ValidateBy(
    {
      name: 'isRedirectUri',
      validator: {
        validate: isRedirectUri,
        defaultMessage: () =>
          'each of redirectUris must be an https URL, an http URL of 127.0.0.1, [::1] or localhost, or a ' +
          'URI whose scheme is a reversed domain name, such as com.example.app:/done, without fragment, ' +
          'wildcard and credentials',
      },
    },
    { each: true },
  );
