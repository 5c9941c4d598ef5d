import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fault } from './fault.js';

const LIBRARIES = [
  process.env.FAKETIME_LIBRARY ?? '',
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1',
];

/** The library that makes a process believe in another time; undefined where it is not installed. */
export const FAKETIME = LIBRARIES.find((path) => path !== '' && existsSync(path));

/** The time of day that programs started with {@link env} go by. Their monotonic clock is left alone, as in life. */
export class WallClock {
  private readonly file: string;

  private constructor(
    folder: string,
    private readonly library: string,
  ) {
    this.file = join(folder, 'clock');
  }

  static async start(folder: string, library: string): Promise<WallClock> {
    const clock = new WallClock(folder, library);
    await clock.set('+0');
    return clock;
  }

  get env(): NodeJS.ProcessEnv {
    return {
      LD_PRELOAD: this.library,
      FAKETIME_TIMESTAMP_FILE: this.file,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
  }

  /** @param offset `+3600`: an hour ahead */
  async set(offset: string): Promise<void> {
    await writeFile(this.file, `${offset}\n`);
  }
}

/** The clocks of control planes jump, forwards and back. */
export function clockJumps(clock: WallClock): Fault {
  return {
    name: 'clock-jumps',
    async run(world) {
      await clock.set('+7200');
      await world.dwell(1500, 2500);
      await clock.set('-7200');
      await world.dwell(1500, 2500);
      await clock.set('+0');
      await world.dwell(1000, 1500);
    },
  };
}
