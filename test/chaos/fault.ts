import type { World } from './world.js';

/** Something that goes wrong, from its beginning to its end: afterwards everything has what it needs to recover. */
export interface Fault {
  /** As reports and `--faults` call it: `network-cut`. */
  readonly name: string;
  /** @throws Error where something is not as it must be while the fault lasts */
  run(world: World): Promise<void>;
}
