import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { type BackupContent, readBackup } from './backup.js';
import { InvalidBackupError } from './errors.js';

/** A thread that reads one backup file, and hands it over piece by piece as it is asked for the next. */

/** All but what comes in pieces. */
export type BackupHead = Omit<BackupContent, 'services' | 'history'>;

export type FromUnpacker =
  | { readonly kind: 'head'; readonly head: BackupHead }
  | { readonly kind: 'piece'; readonly of: 'services' | 'history'; readonly items: readonly unknown[] }
  | { readonly kind: 'end' }
  | { readonly kind: 'invalid'; readonly why: string };

/** A piece ends when its items come to this, as JSON: the other thread takes some milliseconds for it. */
const PIECE_CHARS = 500_000;
/** Longest item. */
const MAX_ITEM_CHARS = 8_000_000;

function* messagesOf({ services, history, ...head }: BackupContent): Generator<FromUnpacker> {
  yield { kind: 'head', head };
  for (const [of, all] of [['services', services] as const, ['history', history] as const]) {
    let items: unknown[] = [];
    let length = 0;
    for (const item of all) {
      const own = JSON.stringify(item).length;
      if (own > MAX_ITEM_CHARS)
        throw new InvalidBackupError(`has one of ${of} with ${own} characters, more than ${MAX_ITEM_CHARS}`);
      items.push(item);
      length += own;
      if (length < PIECE_CHARS) continue;
      yield { kind: 'piece', of, items };
      items = [];
      length = 0;
    }
    yield { kind: 'piece', of, items };
  }
  yield { kind: 'end' };
}

function* answers(file: Uint8Array): Generator<FromUnpacker> {
  try {
    yield* messagesOf(readBackup(Buffer.from(file.buffer, file.byteOffset, file.length)));
  } catch (error) {
    if (!(error instanceof InvalidBackupError)) throw error;
    yield { kind: 'invalid', why: error.message };
  }
}

const port = parentPort as MessagePort;
const pieces = answers(workerData as Uint8Array);
port.on('message', () => {
  const { value, done } = pieces.next();
  if (done) port.close();
  else port.postMessage(value);
});
