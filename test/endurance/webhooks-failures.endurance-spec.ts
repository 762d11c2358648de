import { it } from '@jest/globals';
import { useApp } from '../support/app.js';
import { FAILURES } from '../support/receiver.js';
import { expectDeliveryDespite } from '../support/webhook-failures.js';

const app = useApp({ WEBHOOK_ALLOW_PRIVATE: 'true' });

it('a change reaches a receiver that fails, in whatever way, under one id in each attempt, and syncing on reception alone ends exact', () =>
  expectDeliveryDespite(app, FAILURES));
