import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Owner } from './owner.js';

/** A folder of its own for one test, which removes it. */
export async function temporaryFolder(t: Owner): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'roost-test-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
