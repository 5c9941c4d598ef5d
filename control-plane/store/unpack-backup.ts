import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { BackupContent } from './backup.js';
import { InvalidBackupError, StoreUnavailableError } from './errors.js';
import type { BackupHead, FromUnpacker } from './unpack-worker.js';

const PROGRAM = new URL('./unpack-worker.js', import.meta.url);
const MAX_HEAP_MB = 1024;
/** A file that takes longer is refused. */
const TIMEOUT_MS = 30_000;

let isUnpacking = false;

/**
 * What a backup file has, read in a thread of its own: a small file can unpack to a large content. One at a time.
 *
 * @throws InvalidBackupError saying what is wrong with it; StoreUnavailableError while another is being unpacked
 */
export async function unpackBackup(file: Buffer, timeoutMs = TIMEOUT_MS): Promise<BackupContent> {
  if (isUnpacking) throw new StoreUnavailableError('another backup is being unpacked; try again');
  isUnpacking = true;
  const worker = new Worker(PROGRAM, {
    workerData: Uint8Array.from(file),
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  });
  try {
    return await collect(worker, AbortSignal.timeout(timeoutMs));
  } catch (error) {
    throw explained(error as NodeJS.ErrnoException);
  } finally {
    isUnpacking = false;
    await worker.terminate();
  }
}

async function collect(worker: Worker, signal: AbortSignal): Promise<BackupContent> {
  let head: BackupHead | undefined;
  const parts = { services: [] as unknown[], history: [] as unknown[] };
  for (;;) {
    worker.postMessage('next');
    const [message] = (await once(worker, 'message', { signal })) as [FromUnpacker];
    switch (message.kind) {
      case 'head':
        head = message.head;
        break;
      case 'piece':
        for (const item of message.items) parts[message.of].push(item);
        break;
      case 'invalid':
        throw new InvalidBackupError(message.why);
      case 'end':
        // The thread has checked the shape of all of it.
        return { ...head, ...parts } as BackupContent;
    }
  }
}

function explained(error: NodeJS.ErrnoException): Error {
  if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') return new InvalidBackupError('is too large to be unpacked');
  if (error.name === 'AbortError') return new InvalidBackupError('takes too long to be unpacked');
  return error;
}
