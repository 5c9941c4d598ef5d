import { randomUUID } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Owner } from './owner.js';

/** A network for one process of a test, which can refuse connections to some addresses. */
export class CutOff {
  private readonly file = join(tmpdir(), `unreachable-${randomUUID()}`);

  constructor(t: Owner) {
    this.from();
    t.teardown(() => rmSync(this.file, { force: true }));
  }

  /** What the process is to be started with. */
  get env(): NodeJS.ProcessEnv {
    return {
      NODE_OPTIONS: `--import ${new URL('./unreachable-ports.js', import.meta.url).href}`,
      UNREACHABLE_PORTS_FILE: this.file,
    };
  }

  /** Refuses new connections to these addresses from now on, and to no others. */
  from(...addresses: readonly string[]): void {
    writeFileSync(this.file, addresses.map((address) => address.split(':')[1]).join(' '));
  }
}
