/** What the library never asks of the store of a model. */
export const unsupported = (): never => {
  throw new Error('not supported');
};
