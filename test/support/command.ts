import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * Runs a command for operators, such as `backup`, in a process of its own.
 *
 * @throws Error whose message has its stderr, if it exits with another code than 0
 */
export async function command(
  name: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [`dist/src/${name}.js`, ...args], {
    env: { PATH: process.env.PATH, LOG_LEVEL: 'silent', ...env },
  });
  return stdout;
}
