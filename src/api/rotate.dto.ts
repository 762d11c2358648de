import { Integer } from './fields.js';

/** In seconds: a day, enough to deploy a new secret to every process of an application. */
export const DEFAULT_OVERLAP = 86_400;

/** Body of every rotation: of an API key, a client's secret, a webhook's secret, the signing keys. */
export class RotateDto {
  @Integer(0, 30 * 86_400, {
    optional: true,
    default: DEFAULT_OVERLAP,
    description: 'How long the old one keeps working, in seconds; 0: it ends at once.',
    example: DEFAULT_OVERLAP,
  })
  overlapSeconds: number = DEFAULT_OVERLAP;
}
