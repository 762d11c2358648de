/** Median and range of repeated measurements. */
export interface Spread {
  median: number;
  min: number;
  max: number;
}

export function spreadOf(values: number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return {
    median: (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2,
    min: sorted[0],
    max: sorted[sorted.length - 1],
  };
}

/** Ratios of measurements taken side by side: machines are noisy, so only such ratios are comparable. */
export const ratiosOf = (values: number[], references: number[]): Spread =>
  spreadOf(values.map((value, i) => value / references[i]));

const digits = (value: number) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);

/** `1.25 (1.20 to 1.31)`: median (minimum to maximum) */
export const formatSpread = ({ median, min, max }: Spread) =>
  `${digits(median)} (${digits(min)} to ${digits(max)})`;
