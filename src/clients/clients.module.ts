import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DevelopersModule } from '../developers/developers.module.js';
import { HistoriesModule } from '../histories/histories.module.js';
import { AdminKey } from './admin-key.js';
import { ApiClient } from './api-client.entity.js';
import { ApiClientsController } from './api-clients.controller.js';
import { ApiClientsService } from './api-clients.service.js';
import { ApiKeyAuthenticator } from './api-key-authenticator.js';
import { ApiKey } from './api-key.entity.js';
import { ApiKeysController } from './api-keys.controller.js';
import { ApiKeysService } from './api-keys.service.js';

/** API clients (applications) and API keys. */
@Module({
  imports: [TypeOrmModule.forFeature([ApiClient, ApiKey]), DevelopersModule, HistoriesModule],
  controllers: [ApiClientsController, ApiKeysController],
  providers: [AdminKey, ApiClientsService, ApiKeysService, ApiKeyAuthenticator],
  exports: [ApiClientsService, ApiKeyAuthenticator],
})
export class ClientsModule {}
