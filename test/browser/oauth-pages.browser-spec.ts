import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import axe from 'axe-core';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { Api } from '../support/api.js';
import { type Client, createClient } from '../support/api-clients.js';
import { launchChromium } from '../support/chromium.js';
import { authorization, authorizeUrl, getTokens, PASSWORD, pkce, setPassword } from '../support/oauth.js';
import { createDatabase, ServerProcess, type TestDatabase } from '../support/server.js';

const SERVICE_NAME = 'Harbour & Co';
const NEW = 'another password of the tests';

let database: TestDatabase;
let server: ServerProcess;
let browser: Browser;
/** The application: a page to which people come back. */
let application: Server;
let client: Client;

beforeAll(async () => {
  database = await createDatabase();
  server = await ServerProcess.start({ ...database.env, SERVICE_NAME });
  application = createServer((_request, response) => response.end('<!doctype html><title>Back</title>'));
  await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
  const { port } = application.address() as AddressInfo;
  browser = await launchChromium();
  client = await createClient(server.admin, { redirectUris: [`http://127.0.0.1:${port}/callback`] });
});
afterAll(async () => {
  await browser?.close();
  await new Promise((resolve) => application?.close(resolve));
  await server?.stop();
  await database?.drop();
});

/** Runs something in a browser with the width of a telephone. The console must stay empty. */
async function inBrowser(options: BrowserContextOptions, run: (page: Page) => Promise<void>): Promise<void> {
  const context = await browser.newContext({ viewport: { width: 375, height: 667 }, ...options });
  const complaints: string[] = [];
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on('console', (message) => {
    // Chromium reports every page with a status of 4xx.
    if (
      ['error', 'warning'].includes(message.type()) &&
      !/the server responded with a status of/.test(message.text())
    )
      complaints.push(message.text());
  });
  await run(page);
  expect(complaints).toEqual([]);
  await context.close();
}

const loginUrl = (changes: Record<string, string> = {}) =>
  server.url + authorizeUrl(authorization(client, pkce().challenge, changes));

async function logIn(page: Page, developerId: string, password = PASSWORD): Promise<void> {
  await page.getByLabel('Developer ID').fill(developerId);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

const heading = (page: Page, name: string) => page.getByRole('heading', { name, level: 1 }).waitFor();

/** Accessibility (WCAG 2.2, and the best practices of axe), and no scrolling to the side. */
async function expectAccessible(page: Page): Promise<void> {
  expect(await page.locator('header').innerText()).toBe(SERVICE_NAME);
  await page.evaluate(axe.source);
  const { violations, passes } = await page.evaluate<axe.AxeResults>('axe.run()');
  expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  expect(passes.map(({ id }) => id)).toContain('color-contrast');
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(375);
}

describe.each(['light', 'dark'] as const)('in %s colours, axe finds nothing on the page', (colorScheme) => {
  const developerId = `dev-${colorScheme}`;
  const look = (run: (page: Page) => Promise<void>) =>
    inBrowser({ colorScheme }, async (page) => {
      await run(page);
      await expectAccessible(page);
    });

  beforeAll(async () => {
    await setPassword(server.admin, developerId);
  });

  it('of the start', () =>
    look(async (page) => {
      await page.goto(server.url);
      await heading(page, 'Sync server');
    }));

  it('of a path that does not exist', () =>
    look(async (page) => {
      await page.goto(`${server.url}/nothing`);
      await heading(page, 'Page not found');
    }));

  it('of an error', () =>
    look(async (page) => {
      await page.goto(loginUrl({ client_id: 'unknown' }));
      await heading(page, 'That did not work');
    }));

  it('of a login, with a wrong password, too', () =>
    look(async (page) => {
      await page.goto(loginUrl());
      await heading(page, 'Log in');
      await expectAccessible(page);
      await logIn(page, developerId, 'wrong password');
      await page.getByText('The developer ID or the password is wrong.').waitFor();
    }));

  it('of a consent', () =>
    look(async (page) => {
      await page.goto(loginUrl());
      await logIn(page, developerId);
      await heading(page, 'Authorize Route planner?');
    }));

  it('of an invite', () =>
    look(async (page) => {
      const { body } = await server.admin.post('/api/v1/developers/dev-invited/invites', {});
      await page.goto(body.url);
      await heading(page, 'Choose a password');
      expect(await page.getByLabel('Developer ID').inputValue()).toBe('dev-invited');
      await page.getByLabel('New password').fill('password1234');
      await page.getByRole('button', { name: 'Save' }).click();
      await page.getByText('easy to guess').waitFor();
      await expectAccessible(page);
      await page.getByLabel('New password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Save' }).click();
      await heading(page, 'Password saved');
    }));

  it('of an account, also with a problem', () =>
    look(async (page) => {
      await getTokens(server.url, client, developerId);
      await page.goto(`${server.url}/oauth/account`);
      await heading(page, 'Log in');
      await expectAccessible(page);
      await logIn(page, developerId);
      await heading(page, 'Your account');
      await page.getByRole('button', { name: /^Withdraw the access of Route planner/ }).waitFor();
      await expectAccessible(page);
      await page.getByLabel('Current password').fill('wrong password');
      await page.getByLabel('New password').fill(NEW);
      await page.getByRole('button', { name: 'Change password' }).click();
      await page.getByRole('alert').getByText('The current password is wrong.').waitFor();
    }));
});

it('the primary button differs from the others, in light and dark', async () => {
  for (const colorScheme of ['light', 'dark'] as const)
    await inBrowser({ colorScheme }, async (page) => {
      await page.goto(loginUrl());
      const colourOf = (name: string) =>
        page
          .getByRole('button', { name })
          .evaluate((button) => button.ownerDocument.defaultView!.getComputedStyle(button).backgroundColor);
      expect(await colourOf('Log in')).not.toBe(await colourOf('Cancel'));
    });
});

it('without JavaScript, a developer changes the password, and withdraws a grant', async () => {
  await setPassword(server.admin, 'dev-account');
  const tokens = await getTokens(server.url, client, 'dev-account');
  const api = new Api(server.url, tokens.access_token);
  expect((await api.sync({ since: '1970-01-01' })).status).toBe(200);
  await inBrowser({ javaScriptEnabled: false }, async (page) => {
    await page.goto(server.url);
    await page.getByRole('link', { name: 'Your account' }).click();
    await logIn(page, 'dev-account');
    await heading(page, 'Your account');
    await page.getByLabel('Current password').fill(PASSWORD);
    await page.getByLabel('New password').fill(NEW);
    await page.getByRole('button', { name: 'Change password' }).click();
    await page.getByRole('status').getByText('Your password is changed.').waitFor();
    await page.getByRole('button', { name: /^Withdraw the access of Route planner/ }).click();
    await page.getByRole('status').getByText('The access is withdrawn.').waitFor();
    await page.getByText('No application has access').waitFor();
    await page.getByRole('button', { name: 'Log out' }).click();
    await heading(page, 'Log in');
    await logIn(page, 'dev-account', PASSWORD);
    await page.getByText('The developer ID or the password is wrong.').waitFor();
    await logIn(page, 'dev-account', NEW);
    await heading(page, 'Your account');
  });
  expect((await api.sync({ since: '1970-01-01' })).status).toBe(401);
});

it('a person who opens an address that does not exist gets to the documentation', async () => {
  await inBrowser({}, async (page) => {
    await page.goto(`${server.url}/nothing`);
    await page.getByRole('link', { name: 'documentation' }).click();
    await page.locator('.swagger-ui .info').waitFor();
    expect(await page.title()).toBe(`${SERVICE_NAME} API`);
  });
});
