import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { LessThan, Not, Repository } from 'typeorm';
import { config } from '../config.js';
import { PeriodicTask } from '../database/periodic-task.js';
import { WebhookDelivery } from './webhook-delivery.entity.js';

/** In ms. */
const INTERVAL = 3_600_000;
const DAY = 86_400_000;

/** Retention: deletes deliveries older than WEBHOOK_LOG_DAYS, at start and every hour. Pending ones stay. */
@Injectable()
export class LogPruner implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger(LogPruner.name);
  private readonly task = new PeriodicTask(
    'webhook_log',
    () => this.prune(),
    (error) => this.logger.error({ err: error }, 'the log is not pruned'),
  );

  constructor(@InjectRepository(WebhookDelivery) private readonly deliveries: Repository<WebhookDelivery>) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.task.run();
    this.task.start(INTERVAL);
  }

  onModuleDestroy(): Promise<void> {
    return this.task.stop();
  }

  private async prune(): Promise<void> {
    const oldest = new Date(Date.now() - config.WEBHOOK_LOG_DAYS * DAY);
    await this.deliveries.delete({ createdAt: LessThan(oldest), status: Not('pending') });
  }
}
