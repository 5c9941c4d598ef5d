import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Writes a file so that, whenever power fails, it is the old one or the new one, whole: synced under another name,
 * renamed, and the name synced. Calls for one path must not overlap.
 *
 * @param mode of the file, such as 0o600
 */
export async function writeDurably(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const unfinished = `${path}.new`;
  await rm(unfinished, { force: true });
  const file = await open(unfinished, 'wx', mode);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
  await syncDirectoryOf(path);
}

/** Makes a new name in a directory durable. */
export async function syncDirectoryOf(path: string): Promise<void> {
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
