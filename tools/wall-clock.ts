import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Path of libfaketime, of Debian's package `faketime`; undefined if it is not installed. */
const LIBRARY = readdirSync('/usr/lib')
  .map((directory) => join('/usr/lib', directory, 'faketime/libfaketime.so.1'))
  .find((library) => existsSync(library));

/** The wall clock of the processes that are started with `env`. It can be stepped while they run. */
export class WallClock {
  /** Environment of the processes; empty if the clock cannot be stepped. */
  readonly env: Record<string, string> = {};
  private readonly directory = mkdtempSync(join(tmpdir(), 'tidemark-clock-'));
  private readonly file = join(this.directory, 'clock');
  private offset = 0;

  constructor() {
    // PostgreSQL runs as another user.
    chmodSync(this.directory, 0o755);
    this.write();
    if (LIBRARY === undefined) return;
    this.env = {
      LD_PRELOAD: LIBRARY,
      FAKETIME_TIMESTAMP_FILE: this.file,
      FAKETIME_NO_CACHE: '1',
      // Only the wall clock can be stepped, as on a real machine.
      DONT_FAKE_MONOTONIC: '1',
    };
  }

  /** libfaketime is installed. */
  static get canStep(): boolean {
    return LIBRARY !== undefined;
  }

  /** Steps by so many seconds. */
  step(seconds: number): void {
    this.offset += seconds;
    this.write();
  }

  reset(): void {
    if (this.offset !== 0) this.step(-this.offset);
  }

  /** Removes the files, when the processes have ended. */
  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
    if (LIBRARY === undefined) return;
    // libfaketime leaves the shared memory of killed processes behind.
    for (const name of readdirSync('/dev/shm')) {
      const [, pid] = /faketime_(?:shm|sem)_(\d+)$/.exec(name) ?? [];
      if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join('/dev/shm', name), { force: true });
    }
  }

  private write(): void {
    writeFileSync(this.file, `${this.offset < 0 ? '' : '+'}${this.offset}`);
  }
}
