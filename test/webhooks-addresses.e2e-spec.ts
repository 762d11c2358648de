import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import dns from 'node:dns';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { createClient, createClientKey } from './support/api-clients.js';
import { DnsServer } from './support/dns-server.js';
import { expectError } from './support/errors.js';
import { startApp, type TestApp } from './support/server.js';
import { until } from './support/until.js';
import { WEBHOOKS } from './support/webhooks.js';

let app: TestApp;
let names: DnsServer;
let clientId: string;
/** What listens on this machine, and must never hear of anybody. */
let inside: Server;
let connections = 0;
const systemServers = dns.getServers();

/** A public address (of example.com). Nothing is sent to it: no test gives it to a request. */
const PUBLIC = '93.184.215.14';

beforeAll(async () => {
  names = await DnsServer.start();
  dns.setServers([names.address]);
  inside = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await once(inside.listen(0, '127.0.0.1'), 'listening');
  app = await startApp();
  ({ id: clientId } = await createClient(app.admin, { developerId: 'app-owner' }));
});
afterAll(async () => {
  expect(connections).toBe(0);
  dns.setServers(systemServers);
  names.close();
  inside.close();
  await app.close();
});

const port = () => (inside.address() as AddressInfo).port;

const register = (url: string) => app.admin.post(WEBHOOKS, { clientId, url });

describe('the URL of a webhook', () => {
  it.each([
    ...['127.0.0.1', '127.1', '2130706433', '0x7f.1', '0177.0.0.1', '0.0.0.0', '10.1.2.3', '172.16.0.1'],
    ...['192.168.1.1', '169.254.169.254', '100.64.0.1', '192.0.0.1', '198.18.0.1', '192.0.2.1', '224.0.0.1'],
    ...['239.255.255.255', '240.0.0.1', '255.255.255.255', '192.88.99.1', '198.51.100.1', '203.0.113.1'],
    ...['[::]', '[::1]', '[fe80::1]', '[fc00::1]', '[fd12::1]', '[fec0::1]', '[ff02::1]', '[100::1]'],
    // IPv4 inside: mapped, compatible, translated, 6to4, NAT64 of both kinds, Teredo; also of public addresses.
    ...[
      '[::ffff:127.0.0.1]',
      '[::ffff:93.184.215.14]',
      '[::127.0.0.1]',
      '[::ffff:0:127.0.0.1]',
      '[2002:7f00:1::]',
    ],
    ...['[2002:5db8:d70e::]', '[64:ff9b::127.0.0.1]', '[64:ff9b::93.184.215.14]', '[64:ff9b:1::127.0.0.1]'],
    ...['[2001::1]', '[2001:0:4136:e378:8000:63bf:80ff:fffe]', '[2001:db8::1]', '[3fff::1]', '[5f00::1]'],
  ])('is refused when it is at %s', async (host) => {
    expectError(await register(`https://${host}:${port()}/`), 400, 'invalid_request', 'url', 'not public');
  });

  it.each([
    ['http://app.example/', 'https://'],
    ['ftp://app.example/', 'https://'],
    ['file:///etc/passwd', 'https://'],
    ['javascript:alert(1)', 'https://'],
    ['https://user@app.example/', 'credentials'],
    ['https://user:secret@app.example/', 'credentials'],
    ['//app.example/', 'url'],
    ['https://', 'url'],
    ['https://app.example:99999/', 'url'],
  ])('is refused when it is %s', async (url, says) => {
    names.answer = () => [PUBLIC];
    expectError(await register(url), 400, 'invalid_request', says);
  });

  it.each([
    ['a private address', ['10.0.0.1']],
    ['this machine, in IPv6', ['::1']],
    ['an address inside another', ['64:ff9b::a00:1']],
    ['a public and a private address', [PUBLIC, '127.0.0.1']],
    ['a public address and this machine in IPv6', [PUBLIC, '::1']],
  ])('is refused when its name has %s', async (_name, addresses) => {
    names.answer = () => addresses;
    expectError(await register('https://app.example/'), 400, 'invalid_request', 'not public');
  });

  it('is refused when its name has no address', async () => {
    names.answer = () => [];
    expectError(await register('https://nobody.example/'), 400, 'invalid_request', 'no address');
  });

  it('is checked when it changes, too', async () => {
    names.answer = () => [PUBLIC];
    const { status, body } = await register('https://app.example/');
    expect(status).toBe(201);
    const path = `${WEBHOOKS}/${body.id}`;
    expectError(
      await app.admin.patch(path, { url: `https://127.0.0.1:${port()}/` }),
      400,
      'invalid_request',
      'url',
    );
    expect((await app.admin.get(path)).body.url).toBe('https://app.example/');
    await app.admin.delete(path);
  });
});

describe('a name that leads inside after it was checked', () => {
  it('is found out at each request, which is then not made', async () => {
    const developerId = 'dev-1';
    const api = await createClientKey(app.admin, clientId, developerId);
    names.answer = () => [PUBLIC];
    const { id } = (await register(`https://rebinding.example:${port()}/hook?token=of-its-owner`)).body;
    const path = `${WEBHOOKS}/${id}`;
    names.answer = () => ['127.0.0.1'];
    const asked = names.asked.length;

    const { status, body } = await app.admin.post(`${path}/test`, {});
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'failed', attempts: [{ status: null, answer: null }] });
    expect(body.attempts[0].error).toBe('the URL is refused: its address is not public');
    // One look-up of each kind: what was checked is what would have been connected to.
    expect(names.asked.slice(asked).sort()).toEqual(['rebinding.example A', 'rebinding.example AAAA']);

    await api.create({ developerId, resourceType: 'ROUTE', resourceKey: 'k', data: {} });
    await until(async () => (await app.admin.get(path)).body.failingSince !== null);
    const [delivery] = (await app.admin.get(`${path}/deliveries?kind=change`)).body.data;
    const { attempts } = (await app.admin.get(`${path}/deliveries/${delivery.id}`)).body;
    expect(attempts[0]).toMatchObject({
      status: null,
      error: 'the URL is refused: its address is not public',
    });
    expect(connections).toBe(0);
  });
});
