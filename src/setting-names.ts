/** Variables that Node.js and `pg` read themselves, or the tests: `.env` may hold them, too. */
const OF_OTHERS = /^(NODE_|UV_|PG|TEST_)|^TZ$/;

/** Letters of the shortest name that counts as misspelt: almost every short word is close to PORT or HOST. */
const SHORTEST = 6;

/** Letters from which on two mistakes are likelier than another name. */
const LONG = 15;

/** Case, underscores and hyphens do not make another name. */
const lettersOf = (name: string) => name.toUpperCase().replace(/[_-]/g, '');

/** The setting with the nearest name. */
function nearest(name: string, settings: readonly string[]): { setting: string; distance: number } {
  const letters = lettersOf(name);
  return settings
    .map((setting) => ({ setting, distance: distanceOf(letters, lettersOf(setting)) }))
    .reduce((best, each) => (each.distance < best.distance ? each : best));
}

/**
 * The setting that a variable of the environment probably misspells: at most one mistake, or two in names of 15
 * or more letters. The environment belongs to other programs, too: a variable is theirs if the setting with the
 * similar name is there as well, be it empty, or if its name has fewer than 6 letters.
 */
function misspelt(
  name: string,
  settings: readonly string[],
  env: Record<string, string | undefined>,
): string | undefined {
  if (!env[name]) return undefined;
  const { setting, distance } = nearest(name, settings);
  const { length } = lettersOf(setting);
  if (env[setting] !== undefined || length < SHORTEST) return undefined;
  return distance <= (length < LONG ? 1 : 2) ? setting : undefined;
}

/**
 * Names that are no settings, but were meant to be: every unknown one of `.env`, and misspelt ones of the
 * environment.
 *
 * @param fileNames the names in `.env`
 * @returns one sentence each, with the right name
 */
export function nameProblems(
  env: Record<string, string | undefined>,
  fileNames: readonly string[],
  settings: readonly string[],
): string[] {
  const unknown = fileNames.filter((name) => !settings.includes(name) && !OF_OTHERS.test(name));
  return [
    ...unknown.map((name) => {
      const { setting, distance } = nearest(name, settings);
      const hint =
        distance <= Math.max(2, lettersOf(name).length / 3)
          ? `did you mean ${setting}?`
          : '.env.example lists all';
      return `${name} in .env is not a setting (${hint})`;
    }),
    ...Object.keys(env)
      .filter((name) => !settings.includes(name) && !fileNames.includes(name))
      .map((name) => ({ name, setting: misspelt(name, settings, env) }))
      .filter(({ setting }) => setting !== undefined)
      .map(
        ({ name, setting }) =>
          `${name} is not a setting (did you mean ${setting}? If not, set ${setting}, too, be it empty)`,
      ),
  ];
}

/** Optimal string alignment distance: letters that are missing, too many, wrong, or swapped with the next one. */
function distanceOf(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      rows[i][j] = Math.min(
        rows[i - 1][j] + 1,
        rows[i][j - 1] + 1,
        rows[i - 1][j - 1] + (isSame ? 0 : 1),
        isSwapped ? rows[i - 2][j - 2] + 1 : Infinity,
      );
    }
  }
  return rows[a.length][b.length];
}
