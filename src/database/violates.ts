import { QueryFailedError } from 'typeorm';

/** Does an error say that a statement violated this constraint? */
export const violates = (error: unknown, constraint: string): boolean =>
  error instanceof QueryFailedError &&
  (error.driverError as { constraint?: string }).constraint === constraint;
