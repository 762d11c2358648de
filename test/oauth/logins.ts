import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { hashSecret } from '../../src/clients/secrets.js';
import { type Client, createClient } from '../support/api-clients.js';
import { authorization, authorizeUrl, Browser, PASSWORD, pkce, setPassword } from '../support/oauth.js';
import { until } from '../support/until.js';
import { app } from './app.js';

const WRONG = 'wrong password';

let client: Client;

beforeAll(async () => {
  client = await createClient(app.admin);
});
beforeEach(() => app.dataSource.query('DELETE FROM login_attempts'));

/** Opens a login page in a browser. @returns how to answer it from an address */
async function loginPage(browser = new Browser(app.url)) {
  const { location } = await browser.follow(
    await browser.request(authorizeUrl(authorization(client, pkce().challenge, { prompt: 'login' }))),
  );
  return async (account: string, password: string, address: string, signal?: AbortSignal) => {
    const response = await browser.request(location, {
      method: 'POST',
      body: new URLSearchParams({ account, password, action: 'login' }),
      headers: { 'x-forwarded-for': address },
      signal: signal ?? null,
    });
    return { status: response.status, headers: response.headers, body: await response.text() };
  };
}

/** One successful login of a new developer. @returns the browser, which is a known device since */
async function logIn(account: string, address: string): Promise<Browser> {
  const browser = new Browser(app.url);
  await setPassword(app.admin, account);
  expect((await (await loginPage(browser))(account, PASSWORD, address)).status).toBe(303);
  await app.dataSource.query('DELETE FROM login_attempts');
  return browser;
}

/** Attempts that a counter has, and whether its line has a slot. */
async function counterOf(name: string): Promise<{ attempts: number; isDelayed: boolean } | undefined> {
  const [row] = await app.dataSource.query(
    'SELECT attempts, slot_at IS NOT NULL AS "isDelayed" FROM login_attempts WHERE key = $1',
    [hashSecret(name)],
  );
  return row;
}

/** As so many failed attempts leave it. */
const fail = (name: string, attempts: number) =>
  app.dataSource.query(
    `INSERT INTO login_attempts (key, attempts, expires_at) VALUES ($1, $2, now() + interval '15 minutes')`,
    [hashSecret(name), attempts],
  );

/** Wrong logins of an account from 40 networks, which go on until the end of the work. */
async function underAttack(account: string, work: () => Promise<void>): Promise<void> {
  const guess = await loginPage();
  const end = new AbortController();
  let running = 0;
  const guesses = Array.from({ length: 200 }, async (_, n) => {
    running++;
    await guess(account, WRONG, `198.51.100.${n % 40}`, end.signal).catch(() => {});
    running--;
  });
  await until(async () => ((await counterOf(`account ${account}`))?.attempts ?? 0) > 50);
  await work();
  // The developer was served before all of them.
  expect(running).toBeGreaterThan(0);
  end.abort();
  await Promise.all(guesses);
}

describe('while 200 wrong logins of an account run, from 40 networks', () => {
  it('the developer logs in from a known device, in an unknown network', async () => {
    const browser = await logIn('dev-device', '192.0.2.1');
    await underAttack('dev-device', async () => {
      const answer = await loginPage(browser);
      expect((await answer('dev-device', PASSWORD, '192.0.2.2')).status).toBe(303);
      expect(await counterOf('account dev-device network 192.0.2.2')).toBeUndefined();
    });
  });

  it('the developer logs in from a known network, with an unknown device', async () => {
    await logIn('dev-network', '192.0.2.3');
    await underAttack('dev-network', async () => {
      const answer = await loginPage();
      expect((await answer('dev-network', PASSWORD, '192.0.2.3')).status).toBe(303);
      expect(await counterOf('account dev-network network 192.0.2.3')).toMatchObject({ isDelayed: false });
    });
  });

  it('other developers log in', async () => {
    await setPassword(app.admin, 'dev-other');
    await underAttack('dev-attacked', async () => {
      const answer = await loginPage();
      expect((await answer('dev-other', PASSWORD, '192.0.2.4')).status).toBe(303);
    });
  });
});

describe('an account under attack', () => {
  it('is delayed for an unknown device in an unknown network, not locked', async () => {
    await setPassword(app.admin, 'dev-away');
    await fail('account dev-away', 1_000);
    const answer = await loginPage();
    expect((await answer('dev-away', PASSWORD, '192.0.2.5')).status).toBe(303);
    expect(await counterOf('account dev-away network 192.0.2.5')).toMatchObject({ isDelayed: true });
    // A login takes its own attempt off.
    expect(await counterOf('account dev-away')).toMatchObject({ attempts: 1_000 });
  });

  it('parallel wrong logins from one network are spaced: two of eight find a place in the line', async () => {
    await fail('account dev-spaced', 1_000);
    const guess = await loginPage();
    const end = new AbortController();
    const statuses: number[] = [];
    const guesses = Array.from({ length: 8 }, async () => {
      const answer = await guess('dev-spaced', WRONG, '192.0.2.6', end.signal).catch(() => undefined);
      if (answer) statuses.push(answer.status);
    });
    await until(() => statuses.length >= 6);
    expect(statuses).toEqual(Array<number>(6).fill(429));
    // Those that were refused do not count.
    await until(async () => (await counterOf('account dev-spaced'))?.attempts === 1_002);
    end.abort();
    await Promise.all(guesses);
  });

  it('its first ten wrong logins are free, also at once; an unknown name is like a known one', async () => {
    const guess = await loginPage();
    for (const account of ['dev-away', 'not-a-developer']) {
      await app.dataSource.query('DELETE FROM login_attempts');
      const guesses = Array.from({ length: 10 }, () => guess(account, WRONG, '192.0.2.7'));
      expect((await Promise.all(guesses)).map(({ status }) => status)).toEqual(Array<number>(10).fill(401));
      expect(await counterOf(`account ${account} network 192.0.2.7`)).toBeUndefined();
      expect((await guess(account, WRONG, '192.0.2.7')).status).toBe(401);
      expect(await counterOf(`account ${account} network 192.0.2.7`)).toMatchObject({ isDelayed: true });
    }
  });
});

describe('an address', () => {
  it('has 100 wrong logins, in all processes together, until its window ends', async () => {
    const guess = await loginPage();
    await fail('network 198.51.100.200', 99);
    expect((await guess('dev-a', WRONG, '198.51.100.200')).status).toBe(401);
    const refused = await guess('dev-b', WRONG, '198.51.100.200');
    expect([refused.status, refused.body]).toEqual([429, expect.stringContaining('from your network')]);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    await app.dataSource.query(`UPDATE login_attempts SET expires_at = now() - interval '1 second'`);
    expect((await guess('dev-b', WRONG, '198.51.100.200')).status).toBe(401);
  });

  it('that is over its limit does not slow an account', async () => {
    const guess = await loginPage();
    await fail('network 2001:db8:0:1', 100);
    const addresses = Array.from({ length: 20 }, (_, n) => `2001:db8:0:1::${n}`);
    const answers = await Promise.all(addresses.map((address) => guess('dev-slow', WRONG, address)));
    expect(answers.map(({ status }) => status)).toEqual(Array<number>(20).fill(429));
    expect(await counterOf('account dev-slow')).toBeUndefined();
  });

  describe('with logins that wait', () => {
    const accounts = Array.from({ length: 20 }, (_, n) => `dev-many-${n}`);
    let end: AbortController;
    let guess: Awaited<ReturnType<typeof loginPage>>;
    let statuses: number[];
    let guesses: Promise<void>[];

    beforeEach(async () => {
      end = new AbortController();
      guess = await loginPage();
      [statuses, guesses] = [[], []];
      for (const account of [...accounts, 'dev-late']) await fail(`account ${account}`, 1_000);
    });
    afterEach(async () => {
      end.abort();
      await Promise.all(guesses);
    });

    const start = (account: string, address: string) => {
      const answer = guess(account, WRONG, address, end.signal);
      const noted = answer.then(
        ({ status }) => void statuses.push(status),
        () => {},
      );
      guesses.push(noted);
      return answer;
    };

    /** Logins that wait for their slots. */
    const waiting = async () =>
      (await app.dataSource.query('SELECT FROM login_attempts WHERE slot_at > clock_timestamp()')).length;

    it('has at most 20, of all accounts together, until their connections close', async () => {
      for (const account of accounts) void start(account, '192.0.2.8').catch(() => {});
      await until(async () => (await waiting()) === 20);
      expect((await guess('dev-late', WRONG, '192.0.2.8')).status).toBe(429);
      end.abort();
      const isRefused = async () => (await guess('not-attacked', WRONG, '192.0.2.8')).status === 429;
      await until(async () => !(await isRefused()));
      expect(statuses).toEqual([]);
    });

    it('does not keep other addresses out: at the limit of all, the one with the most gives way', async () => {
      const addresses = Array.from({ length: 16 }, (_, n) => `192.0.2.${100 + n}`);
      const pairs = addresses.flatMap((address) => accounts.map((account) => [account, address] as const));
      // All wait for long: a line has 20 s at most.
      await app.dataSource.query(
        `INSERT INTO login_attempts (key, attempts, slot_at, expires_at)
         SELECT key, 0, now() + interval '12 seconds', now() + interval '1 minute'
         FROM unnest($1::bytea[]) AS key`,
        [pairs.map(([account, address]) => hashSecret(`account ${account} network ${address}`))],
      );
      for (const pair of pairs) void start(...pair).catch(() => {});
      await until(() => statuses.length >= 20);
      expect((await start('not-attacked', '192.0.2.9')).status).toBe(401);
      expect(new Set(statuses.slice(0, -1))).toEqual(new Set([503]));
    });
  });
});

describe('a device cookie', () => {
  const hasPlace = async (browser: Browser, account: string) => {
    const answer = await loginPage(browser);
    return (await answer(account, WRONG, '203.0.113.9')).status === 401;
  };

  it('is kept as a hash, and for pages of the server alone', async () => {
    const browser = await logIn('dev-kept', '192.0.2.20');
    const cookie = browser.cookies.get('tidemark_device')!;
    expect(cookie).toMatchObject({ value: expect.stringMatching(/^[\w-]{43}$/), path: '/oauth' });
    const rows = await app.dataSource.query('SELECT hash FROM login_origins');
    expect(rows.map(({ hash }: { hash: Buffer }) => hash.toString('hex'))).toContain(
      hashSecret(cookie.value).toString('hex'),
    );
    const again = await (await loginPage(browser))('dev-kept', PASSWORD, '192.0.2.20');
    const [line] = again.headers.getSetCookie().filter((one) => one.startsWith('tidemark_device='));
    expect(line).toMatch(/; HttpOnly; SameSite=Lax$/);
    expect(line).toContain(`tidemark_device=${cookie.value};`);
  });

  it('works in a network that is over its limit, gives ten guesses, and then counts as none', async () => {
    const browser = await logIn('dev-stolen', '192.0.2.21');
    await fail('network 203.0.113.9', 100);
    const answer = await loginPage(browser);
    for (let n = 0; n < 10; n++) expect((await answer('dev-stolen', WRONG, '203.0.113.9')).status).toBe(401);
    expect(await counterOf('account dev-stolen')).toBeUndefined();
    expect((await answer('dev-stolen', PASSWORD, '203.0.113.9')).status).toBe(429);
  });

  it('is of no use for another account, nor once the password has changed', async () => {
    const browser = await logIn('dev-own', '192.0.2.22');
    await setPassword(app.admin, 'dev-foreign');
    await fail('network 203.0.113.9', 100);
    expect(await hasPlace(browser, 'dev-foreign')).toBe(false);
    expect(await hasPlace(browser, 'dev-own')).toBe(true);
    await setPassword(app.admin, 'dev-own', 'another password of the tests');
    expect(await hasPlace(browser, 'dev-own')).toBe(false);
  });

  it('of another account is not taken over: a login gives the browser a new one', async () => {
    const browser = await logIn('dev-first', '192.0.2.23');
    const first = browser.cookies.get('tidemark_device')!.value;
    await setPassword(app.admin, 'dev-second');
    expect((await (await loginPage(browser))('dev-second', PASSWORD, '192.0.2.24')).status).toBe(303);
    expect(browser.cookies.get('tidemark_device')!.value).not.toBe(first);
  });

  it('is given by an invite, with which the developer chooses the password', async () => {
    const { body } = await app.admin.post('/api/v1/developers/dev-new-device/invites', {});
    const token = new URL(body.url).searchParams.get('token')!;
    const browser = new Browser(app.url);
    expect((await browser.post('/oauth/invite', { token, password: PASSWORD })).status).toBe(200);
    await fail('network 203.0.113.9', 100);
    expect(await hasPlace(browser, 'dev-new-device')).toBe(true);
  });

  it('a developer has at most 100 known devices and networks, the latest ones', async () => {
    const browser = await logIn('dev-hundred', '192.0.2.25');
    await app.dataSource.query(`
      INSERT INTO login_origins (user_id, hash, expires_at)
      SELECT user_id, decode(lpad(n::text, 4, '0'), 'hex'), now() + interval '1 day'
      FROM developers, generate_series(1, 150) n WHERE developer_id = 'dev-hundred'`);
    expect((await (await loginPage(browser))('dev-hundred', PASSWORD, '192.0.2.25')).status).toBe(303);
    const [{ n }] = await app.dataSource.query(
      `SELECT count(*)::int AS n FROM login_origins JOIN developers USING (user_id)
       WHERE developer_id = 'dev-hundred'`,
    );
    expect(n).toBe(100);
    await fail('network 203.0.113.9', 100);
    expect(await hasPlace(browser, 'dev-hundred')).toBe(true);
  });
});
