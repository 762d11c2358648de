import { describe, expect, it } from '@jest/globals';
import { isPublicAddress, parseEndpointUrl, resolveEndpoint } from './public-address.js';

const PUBLIC = ['1.1.1.1', '93.184.216.34', '8.8.8.8', '2606:4700:4700::1111', '2a00:1450:4001:80f::200e'];

const NOT_PUBLIC = [
  ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254'],
  ...['172.16.0.1', '172.31.255.255', '192.0.0.1', '192.0.2.1', '192.88.99.1', '192.168.0.1', '198.18.0.1'],
  ...['198.51.100.1', '203.0.113.1', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255'],
  ...['::', '::1', '::7f00:1', '::127.0.0.1', '::ffff:127.0.0.1', '::ffff:808:808', '::ffff:0:7f00:1'],
  ...['64:ff9b::7f00:1', '64:ff9b:1::7f00:1', '2002:7f00:1::', '2001:0:7f00:1::', '2001:db8::1', '3fff::1'],
  ...['100::1', '5f00::1', 'fc00::1', 'fd12::1', 'fe80::1', 'fec0::1', 'ff02::1', '4000::1'],
];

describe('isPublicAddress', () => {
  it.each(PUBLIC)('%s is', (address) => expect(isPublicAddress(address)).toBe(true));
  it.each(NOT_PUBLIC)('%s is not', (address) => expect(isPublicAddress(address)).toBe(false));
});

describe('parseEndpointUrl', () => {
  it.each([
    ...NOT_PUBLIC.map((address) => `https://${address.includes(':') ? `[${address}]` : address}/`),
    ...[
      'https://0x7f.1/',
      'https://2130706433/',
      'https://0177.0.0.1/',
      'https://127.1/',
      'https://127.0.0.1./',
    ],
    ...['https://①②⑦.0.0.1/', 'https://[::ffff:7f00:1]:8443/x'],
  ])('refuses %s', (url) => {
    expect(() => parseEndpointUrl(url, false)).toThrow('its address is not public');
    expect(parseEndpointUrl(url, true)).toBeInstanceOf(URL);
  });

  it.each([
    ['', 'no URL'],
    ['example.com', 'no URL'],
    ['https://', 'no URL'],
    ['https://exa mple.com', 'no URL'],
    ['ftp://example.com/', 'must start with'],
    ['file:///etc/passwd', 'must start with'],
    ['javascript:alert(1)', 'must start with'],
    ['https://user:password@example.com/', 'credentials'],
    ['https://user@example.com/', 'credentials'],
  ])('refuses %j everywhere', (url, reason) => {
    for (const allowPrivate of [false, true])
      expect(() => parseEndpointUrl(url, allowPrivate)).toThrow(reason);
  });

  it('takes http only in development', () => {
    expect(() => parseEndpointUrl('http://example.com/', false)).toThrow('must start with https://');
    expect(parseEndpointUrl('http://example.com/', true).href).toBe('http://example.com/');
  });
});

describe('resolveEndpoint', () => {
  it('takes an address as it is', async () => {
    expect(await resolveEndpoint(new URL('https://[2606:4700:4700::1111]/'), false)).toEqual([
      { address: '2606:4700:4700::1111', family: 6 },
    ]);
    await expect(resolveEndpoint(new URL('https://[::1]/'), false)).rejects.toThrow('not public');
  });

  it('knows the names of this machine only in development', async () => {
    const url = new URL('https://localhost/');
    await expect(resolveEndpoint(url, false)).rejects.toThrow(/no address|not public/);
    expect((await resolveEndpoint(url, true)).map(({ address }) => address)).toContain('127.0.0.1');
  });
});
