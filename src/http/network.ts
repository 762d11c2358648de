import ipaddr from 'ipaddr.js';

/**
 * An IPv4 address, or the /64 of an IPv6 address: one host can use all of its /64 (RFC 4291, section 2.5.4).
 */
export function networkOf(address: string): string {
  // A trusted proxy may forward anything.
  if (!ipaddr.isValid(address)) return address;
  // `process` turns an IPv4-mapped address (::ffff:192.0.2.1) into the IPv4 address.
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  const prefix = parsed.parts.slice(0, 4);
  return prefix.map((group) => group.toString(16)).join(':');
}
