import { readFileSync } from 'node:fs';

/**
 * Fields of /proc/PID/stat (proc(5)) from the third, the state, on; undefined if there is no such process.
 */
export function statOf(pid: number): string[] | undefined {
  try {
    // The second field, the name in parentheses, may contain spaces and parentheses.
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
  } catch {
    return undefined;
  }
}

/** Resident memory of a process in MiB: `VmRSS` is the current value, `VmHWM` the peak. */
export function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const [, kB] =
    new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kB) / 1024;
}
