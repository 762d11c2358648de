import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { randomBytes } from 'node:crypto';
import type { DeveloperIdentity } from '../access/caller.js';
import { isText } from '../api/rules.js';
import { TidemarkDataSource } from '../database/tidemark-data-source.js';
import { DevelopersService } from '../developers/developers.service.js';
import { sendPage } from '../http/page.js';
import { publicPath } from '../http/public-path.js';
import { GrantsService } from '../tokens/grants.service.js';
import { StateAdapter } from './adapters/state-adapter.js';
import { type AccountView, accountPage } from './account-template.js';
import { TokenCookie } from './cookies.js';
import { LoginOrigins } from './login-origins.service.js';
import { Logins } from './logins.js';
import { assertSameOrigin, sendTooMany } from './page-reply.js';
import { loginPage } from './pages.js';
import { newPasswordBuckets, PasswordsService, problemOf } from './passwords.service.js';

export interface AccountRoute {
  Querystring: { page?: unknown; done?: unknown };
  Body?: URLSearchParams;
}

type AccountRequest = FastifyRequest<AccountRoute>;

/** Seconds since the login. */
const LIFETIME = 900;

/** Grants on a page. */
const LIMIT = 20;

const PATH = publicPath('/oauth/account');
const COOKIE = new TokenCookie('tidemark_account', PATH);

const EXPIRED = 'Your login has ended. Log in again.';

/**
 * The page on which developers change their password, and see and withdraw grants. It has a login of its own,
 * short and not shared with applications: a browser that is left open after a login to an application does not
 * show the account.
 */
@Injectable()
export class AccountPages {
  private readonly buckets = newPasswordBuckets();
  private readonly states: StateAdapter;

  constructor(
    @InjectDataSource() dataSource: TidemarkDataSource,
    private readonly grants: GrantsService,
    private readonly passwords: PasswordsService,
    private readonly developers: DevelopersService,
    private readonly logins: Logins,
    private readonly origins: LoginOrigins,
  ) {
    this.states = new StateAdapter('Account', dataSource, grants, passwords);
  }

  async show(request: AccountRequest, reply: FastifyReply): Promise<void> {
    const developer = await this.loggedIn(request);
    if (!developer) return sendPage(reply, 200, loginPage(undefined));
    const { page, done } = request.query;
    await this.send(developer, reply, 200, { page: pageNumberOf(page), done: String(done) });
  }

  async submit(request: AccountRequest, reply: FastifyReply): Promise<void> {
    assertSameOrigin(request);
    const action = request.body?.get('action');
    if (action === 'login') return this.logIn(request, reply);
    const developer = await this.loggedIn(request);
    if (!developer) return sendPage(reply, 401, loginPage(undefined, EXPIRED));
    if (action === 'password') await this.changePassword(developer, request, reply);
    else if (action === 'withdraw') await this.withdraw(developer, request, reply);
    else if (action === 'logout') await this.logOut(request, reply);
    else await this.send(developer, reply, 400);
  }

  private async logIn(request: AccountRequest, reply: FastifyReply): Promise<void> {
    const account = request.body?.get('account') ?? '';
    const password = request.body?.get('password') ?? '';
    const result = await this.logins.verify(account, password, request, reply);
    if ('problem' in result)
      return sendPage(reply, result.status, loginPage(undefined, result.problem, account));
    await this.begin(account, result.version, request, reply);
    redirect(reply);
  }

  /** Login throttling applies to the old password, too: a stolen session cannot guess it. */
  private async changePassword(
    developer: DeveloperIdentity,
    request: AccountRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const { developerId } = developer;
    const current = request.body?.get('current') ?? '';
    const password = request.body?.get('password') ?? '';
    const result = await this.logins.verify(
      developerId,
      current,
      request,
      reply,
      'The current password is wrong.',
    );
    if ('problem' in result)
      return this.send(developer, reply, result.status, { currentProblem: result.problem });
    const seconds = this.buckets.take(developerId);
    if (seconds > 0) return sendTooMany(reply, seconds, 'Too many passwords were tried.');
    const problem = await problemOf(developerId, password);
    if (problem !== undefined) return this.send(developer, reply, 400, { problem });
    const version = await this.passwords.change(developer, password, result.version);
    if (version === undefined) return sendPage(reply, 401, loginPage(undefined, EXPIRED));
    // The change has ended all logins and known devices. This browser is the developer's.
    await this.begin(developerId, version, request, reply);
    redirect(reply, 'password');
  }

  private async withdraw(developer: DeveloperIdentity, request: AccountRequest, reply: FastifyReply) {
    const id = request.body?.get('grant');
    // A grant that has ended meanwhile is what the developer wants.
    if (isText(id, 1, 64)) await this.grants.withdrawOwn(developer, id);
    redirect(reply, 'withdrawn');
  }

  private async logOut(request: AccountRequest, reply: FastifyReply): Promise<void> {
    await this.states.destroy(COOKIE.of(request)!);
    COOKIE.set(reply, '', 0);
    redirect(reply);
  }

  /** Session fixation: each login has a new token. */
  private async begin(
    developerId: string,
    version: string,
    request: AccountRequest,
    reply: FastifyReply,
  ): Promise<void> {
    await this.origins.remember(developerId, version, request, reply);
    const token = randomBytes(32).toString('base64url');
    const exp = Math.floor(Date.now() / 1_000) + LIFETIME;
    await this.states.upsert(token, { accountId: developerId, amr: [version], exp }, LIFETIME);
    COOKIE.set(reply, token, LIFETIME);
  }

  /** The developer of the cookie; undefined: there is no login, or it has ended. */
  private async loggedIn(request: AccountRequest): Promise<DeveloperIdentity | undefined> {
    const token = COOKIE.of(request);
    const state = token === undefined ? undefined : await this.states.find(token);
    if (!state || state.exp! * 1_000 <= Date.now()) return undefined;
    return this.developers.find(state.accountId!);
  }

  private async send(
    { userId, developerId }: DeveloperIdentity,
    reply: FastifyReply,
    status: number,
    view: Partial<AccountView> = {},
  ): Promise<void> {
    const { page = 1 } = view;
    const [grants, total] = await this.grants.ofDeveloper(userId, page, LIMIT);
    const pages = Math.ceil(total / LIMIT);
    sendPage(reply, status, accountPage({ ...view, developerId, grants, page, pages }));
  }
}

/** Post/redirect/get: to load the page again repeats nothing. */
function redirect(reply: FastifyReply, done?: string): void {
  const query = done === undefined ? '' : `?done=${done}`;
  void reply.header('cache-control', 'no-store').redirect(PATH + query, 303);
}

/** 1 unless it is a number of at most six digits. */
const pageNumberOf = (text: unknown) =>
  typeof text === 'string' && /^[1-9]\d{0,5}$/.test(text) ? Number(text) : 1;
