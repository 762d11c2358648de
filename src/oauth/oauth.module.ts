import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ClientsModule } from '../clients/clients.module.js';
import { DatabaseClock } from '../database/database-clock.js';
import { DatabaseClockModule } from '../database/database-clock.module.js';
import { DevelopersModule } from '../developers/developers.module.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { AccountPages } from './account-pages.js';
import { AuthorizationServer } from './authorization-server.js';
import { ExpiryService } from './expiry.service.js';
import { Interactions } from './interactions.js';
import { Invite } from './invite.entity.js';
import { InvitePages } from './invite-pages.js';
import { LoginOrigins } from './login-origins.service.js';
import { LoginThrottleService } from './login-throttle.service.js';
import { Logins } from './logins.js';
import { Password } from './password.entity.js';
import { PasswordsController } from './passwords.controller.js';
import { PasswordsService } from './passwords.service.js';
import { UserInfo } from './user-info.js';

/**
 * The built-in authorization server (OAuth 2.0). A login, step by step:
 *
 *  1. GET /oauth/authorize: hands the request to the library      routes.ts, authorization-server.ts
 *  2.   checks client, redirect URI, scope and PKCE               adapters/client-adapter.ts
 *  3.   stores an interaction, redirects to its page              adapters/state-adapter.ts
 *  4. GET /oauth/interaction/{uid}: the login page                interactions.ts, pages.ts
 *  5. POST of its form: same browser, same origin                 interactions.ts, page-reply.ts
 *  6.   counts the attempt, delays it under attack                login-throttle.service.ts
 *  7.   verifies the password, redirects to the library           logins.ts, passwords.service.ts
 *  8. GET /oauth/authorize/{uid}: starts the login session        adapters/state-adapter.ts
 *  9. GET /oauth/interaction/{uid}: the consent page              interactions.ts, pages.ts
 * 10. POST of its form: stores the grant, redirects again         interactions.ts, adapters/grant-adapter.ts
 * 11. GET /oauth/authorize/{uid}: sends a code to the application adapters/state-adapter.ts
 * 12. POST /oauth/token: verifies the client's secret             routes.ts, oidc-provider.ts
 * 13.   consumes the code (compare-and-set)                       adapters/state-adapter.ts
 * 14.   signs the access token, which names its grant             provider-configuration.ts
 * 15. API requests: verify the token, look up the grant           src/auth, src/tokens
 */
@Module({
  imports: [
    TypeOrmModule.forFeature([Password, Invite]),
    ClientsModule,
    DatabaseClockModule,
    DevelopersModule,
    TokensModule,
  ],
  controllers: [PasswordsController],
  providers: [
    AccountPages,
    AuthorizationServer,
    ExpiryService,
    Interactions,
    InvitePages,
    LoginOrigins,
    LoginThrottleService,
    Logins,
    PasswordsService,
    UserInfo,
  ],
})
export class OAuthModule {
  constructor(clock: DatabaseClock) {
    clock.move('login_attempts', ['slot_at', 'expires_at']);
  }
}
