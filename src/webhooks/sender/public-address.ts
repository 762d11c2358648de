import ipaddr from 'ipaddr.js';
import { type LookupAddress, promises as dns } from 'node:dns';
import { isIP } from 'node:net';

/** SSRF guard: a URL that must not be requested. The message tells the owner of the endpoint why. */
export class RefusedUrlError extends Error {}

/** The part of IPv6 that is allocated at all (RFC 4291, section 2.4). */
const ALLOCATED = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * SSRF guard: is this an address of the public internet? Not so the addresses of this machine and its
 * networks, nor IPv6 addresses that embed an IPv4 one: ipaddr.js has a class for each of them, and calls the
 * rest `unicast`.
 */
export function isPublicAddress(text: string): boolean {
  const address = ipaddr.parse(text);
  return address.range() === 'unicast' && (address instanceof ipaddr.IPv4 || address.match(ALLOCATED));
}

/** In ms, for each server. */
const DNS = { timeout: 2_000, tries: 2 };

/** Host of a URL, as it is connected to: IPv6 without brackets. */
const hostOf = (url: URL) => url.hostname.replace(/^\[(.*)\]$/, '$1');

/**
 * The URL of an endpoint, unless its text alone rules it out. The parser turns every notation of an IPv4
 * address, such as 0x7f.1, into the usual one.
 *
 * @param allowPrivate any address and plain http: for development
 * @throws RefusedUrlError
 */
export function parseEndpointUrl(text: string, allowPrivate: boolean): URL {
  if (!URL.canParse(text)) throw new RefusedUrlError('it is no URL');
  const url = new URL(text);
  // The parser also accepts texts that people would not read as a URL.
  if (!(allowPrivate ? /^https?:\/\//i : /^https:\/\//i).test(text))
    throw new RefusedUrlError(`it must start with ${allowPrivate ? 'http:// or ' : ''}https://`);
  if (url.username !== '' || url.password !== '') throw new RefusedUrlError('it must not have credentials');
  if (!allowPrivate && isIP(hostOf(url)) && !isPublicAddress(hostOf(url)))
    throw new RefusedUrlError('its address is not public');
  return url;
}

/**
 * The addresses of a host. In production from DNS alone, without the few threads of the system's resolver:
 * there, a name whose servers do not answer would block all others. In development from the system, which
 * knows more names.
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
 * DNS rebinding: the addresses of a URL, checked. Connect to one of these and do not resolve again: the next
 * answer may be another one.
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
