import type { FastifyRequest } from 'fastify';
import Negotiator from 'negotiator';

/** Content negotiation (RFC 9110, section 12.5.1): browsers prefer HTML. Any type and no header mean JSON. */
export const prefersHtml = ({ raw }: FastifyRequest): boolean =>
  new Negotiator(raw).mediaType(['application/json', 'text/html']) === 'text/html';
