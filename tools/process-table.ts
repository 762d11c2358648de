import { readFileSync } from 'node:fs';

/** The fields of /proc/PID/stat from the third one, the state, on (proc(5)); undefined when there is no such process. */
export function statOf(pid: number): string[] | undefined {
  try {
    // The name, in parentheses, may contain anything.
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
  } catch {
    return undefined;
  }
}

/** In MiB: `VmRSS` is the memory that a process has now, `VmHWM` the most that it ever had. */
export function memoryOf(pid: number, what: 'VmRSS' | 'VmHWM'): number {
  const [, kB] =
    new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kB) / 1024;
}
