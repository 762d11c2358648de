import ipaddr from 'ipaddr.js';
import { type LookupAddress, promises as dns } from 'node:dns';
import { isIP } from 'node:net';

/** A URL that this server does not send anything to. Its message says why, to whoever manages the endpoint. */
export class RefusedUrlError extends Error {}

const GIVEN_OUT = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Is this an address of the public internet? Not so those of this machine and its networks, and those that lead to an
 * IPv4 address inside of an IPv6 one: ipaddr.js has a class for each of them, and `unicast` is what is left. Of IPv6, only
 * 2000::/3 has been given out at all (RFC 4291, section 2.4).
 */
export function isPublicAddress(text: string): boolean {
  const address = ipaddr.parse(text);
  return address.range() === 'unicast' && (address instanceof ipaddr.IPv4 || address.match(GIVEN_OUT));
}

/** In ms, for each server. */
const DNS = { timeout: 2_000, tries: 2 };

/** Host of a URL, as it is connected to: IPv6 without brackets. */
const hostOf = (url: URL) => url.hostname.replace(/^\[(.*)\]$/, '$1');

/**
 * The URL of an endpoint, unless its text alone says that nothing may be sent there. (The parser turns every notation of an
 * IPv4 address, such as 0x7f.1, into the usual one.)
 *
 * @param allowPrivate any address and plain http: for development
 * @throws RefusedUrlError
 */
export function parseEndpointUrl(text: string, allowPrivate: boolean): URL {
  if (!URL.canParse(text)) throw new RefusedUrlError('it is no URL');
  const url = new URL(text);
  // The parser mends more than people would read as a URL.
  if (!(allowPrivate ? /^https?:\/\//i : /^https:\/\//i).test(text))
    throw new RefusedUrlError(`it must start with ${allowPrivate ? 'http:// or ' : ''}https://`);
  if (url.username !== '' || url.password !== '') throw new RefusedUrlError('it must not have credentials');
  if (!allowPrivate && isIP(hostOf(url)) && !isPublicAddress(hostOf(url)))
    throw new RefusedUrlError('its address is not public');
  return url;
}

/**
 * The addresses of a host. Of a public one, DNS alone says it, asked without the few threads in which the system looks up
 * names: there, a name whose servers do not answer would keep all others waiting. In development, the system knows more
 * names.
 */
async function resolve(host: string, allowPrivate: boolean): Promise<LookupAddress[]> {
  if (isIP(host)) return [{ address: host, family: isIP(host) }];
  if (allowPrivate) return dns.lookup(host, { all: true });
  const resolver = new dns.Resolver(DNS);
  resolver.setServers(dns.getServers());
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  return answers.flatMap((answer, i) =>
    answer.status === 'fulfilled'
      ? answer.value.map((address) => ({ address, family: i === 0 ? 4 : 6 }))
      : [],
  );
}

/**
 * Where a URL leads now: connect to one of these addresses, and do not ask again, since the next answer may be another one.
 *
 * @throws RefusedUrlError when there is none, or one of them is not public
 */
export async function resolveEndpoint(url: URL, allowPrivate: boolean): Promise<LookupAddress[]> {
  const addresses = await resolve(hostOf(url), allowPrivate).catch(() => []);
  if (addresses.length === 0) throw new RefusedUrlError('its host has no address');
  if (!allowPrivate && !addresses.every(({ address }) => isPublicAddress(address)))
    throw new RefusedUrlError('its address is not public');
  return addresses;
}
