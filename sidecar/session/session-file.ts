import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { readBoundedFile } from '../../src/lifecycle/bounded-file.js';
import { writeDurably } from '../../src/lifecycle/durable-file.js';
import { keepOutOfGit } from '../../src/lifecycle/keep-out-of-git.js';
import { seal, unseal } from '../../src/lifecycle/sealed-file.js';
import { PIN_BYTES, readPin, writePin } from '../../src/routing/pins.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { KeptSession, SessionTable } from './session-table.js';

export interface SessionFileOptions {
  /** `--state-dir` */
  readonly directory: string;
  readonly service: string;
  readonly table: SessionTable;
  /** The table's clock. */
  nowMs(): number;
  /** Milliseconds since 1970. */
  wallMs(): number;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

const KIND = 'roost-sidecar-sessions';
const FORMAT = 1;
const MAX_FILE_BYTES = 256 * 1024 * 1024;
const WRITE_EVERY_MS = 60_000;
/** Slots and sessions looked at in one go: about a millisecond. */
const SLICE = 4096;
/** No service keeps an idle session for longer. */
const LONGEST_IDLE_S = 400 * 86_400;

/** Where each part of an entry begins; the pin comes first. */
const AT = {
  hash: PIN_BYTES,
  salted: 20,
  generation: 28,
  revision: 30,
  idleS: 34,
  tag: 38,
  salt: 42,
  flags: 46,
};
const ENTRY_BYTES = 47;
const LABEL = 1;
const OWN = 2;

/**
 * Keeps the session table on disk (`sessions` in the directory), so that a sidecar that restarts knows the sessions that
 * it knew: written each minute and at the end, whole or not at all.
 */
export class SessionFile {
  private readonly path: string;
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();
  private isFailing = false;

  constructor(private readonly options: SessionFileOptions) {
    this.path = join(options.directory, 'sessions');
  }

  /** Puts what is on disk into the table. What cannot be read is told in the log and left alone. */
  async restore(): Promise<void> {
    const stored = this.read();
    if (stored === undefined) return;
    const { table, nowMs, wallMs, log } = this.options;
    // A clock that was put back makes nothing younger than it was.
    const agedS = Math.max(0, Math.round((wallMs() - stored.atMs) / 1000));
    const count = Math.floor(stored.content.length / ENTRY_BYTES);
    for (let i = 0; i < count; i++) {
      if (i % SLICE === SLICE - 1) await setImmediate();
      const session = readEntry(stored.content, i * ENTRY_BYTES);
      const idleS = session.idleS + agedS;
      if (idleS <= LONGEST_IDLE_S) table.restore({ ...session, idleS }, nowMs());
    }
    log.info({ path: this.path, sessions: count, ageSeconds: agedS }, 'starting from the sessions on disk');
  }

  start(): void {
    this.timer = setInterval(() => this.write(), WRITE_EVERY_MS).unref();
  }

  /** Writes the table once more. */
  async close(): Promise<void> {
    clearInterval(this.timer);
    this.write();
    await this.writing;
  }

  private write(): void {
    this.writing = this.writing
      .then(() => this.store())
      .then(
        () => this.onWritten(undefined),
        (error: unknown) => this.onWritten(error),
      );
  }

  private async store(): Promise<void> {
    const { directory, service, wallMs } = this.options;
    const atMs = wallMs();
    const content = await this.encode();
    const at = new Date(atMs).toISOString();
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await keepOutOfGit(directory);
    await writeDurably(this.path, seal({ file: KIND, format: FORMAT, at }, { service }, content), 0o600);
  }

  private async encode(): Promise<Buffer> {
    const { table, nowMs } = this.options;
    const parts: Buffer[] = [];
    for (let from = 0; from < table.slots; from += SLICE) {
      const kept: KeptSession[] = [];
      table.visitKept(from, from + SLICE, nowMs(), (session) => kept.push(session));
      const part = Buffer.alloc(kept.length * ENTRY_BYTES);
      kept.forEach((session, i) => void writeEntry(session, part, i * ENTRY_BYTES));
      parts.push(part);
      await setImmediate();
    }
    return Buffer.concat(parts);
  }

  /** A failure is told once, and when it is over. */
  private onWritten(error: unknown): void {
    const { log } = this.options;
    if (error !== undefined && !this.isFailing)
      log.warn({ err: error, path: this.path }, 'the sessions could not be kept on disk');
    if (error === undefined && this.isFailing)
      log.info({ path: this.path }, 'the sessions are kept on disk again');
    this.isFailing = error !== undefined;
  }

  private read(): { readonly atMs: number; readonly content: Buffer } | undefined {
    try {
      const { seal: found, content } = unseal(KIND, readBoundedFile(this.path, { maxBytes: MAX_FILE_BYTES }));
      if (found.format !== FORMAT)
        throw new Error(`is of format ${found.format}; this version reads and writes format ${FORMAT}`);
      const { service } = found as typeof found & { readonly service?: string };
      if (service !== this.options.service)
        throw new Error(`is of a sidecar of ${service}; give each sidecar its own --state-dir`);
      return { atMs: Date.parse(found.at), content };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      const reason = error instanceof Error ? error.message : String(error);
      this.options.log.warn({ path: this.path, reason }, 'the sessions on disk cannot be used');
      return undefined;
    }
  }
}

function writeEntry(
  { hash, pin, idleS, tag, salt, saltedHash, isOwn }: KeptSession,
  bytes: Buffer,
  at: number,
): void {
  writePin(pin, bytes, at);
  bytes.writeBigUInt64BE(hash, at + AT.hash);
  bytes.writeBigUInt64BE(saltedHash, at + AT.salted);
  bytes.writeUInt16BE(pin.generation, at + AT.generation);
  bytes.writeUInt32BE(pin.revision, at + AT.revision);
  bytes.writeUInt32BE(Math.max(0, idleS), at + AT.idleS);
  bytes.writeUInt32BE(tag, at + AT.tag);
  bytes.writeUInt32BE(salt, at + AT.salt);
  bytes.writeUInt8((pin.label ? LABEL : 0) | (isOwn ? OWN : 0), at + AT.flags);
}

function readEntry(bytes: Buffer, at: number): KeptSession {
  const flags = bytes.readUInt8(at + AT.flags);
  return {
    hash: bytes.readBigUInt64BE(at + AT.hash),
    pin: {
      ...readPin(bytes, at, (flags & LABEL) !== 0),
      generation: bytes.readUInt16BE(at + AT.generation),
      revision: bytes.readUInt32BE(at + AT.revision),
    },
    idleS: bytes.readUInt32BE(at + AT.idleS),
    tag: bytes.readUInt32BE(at + AT.tag),
    salt: bytes.readUInt32BE(at + AT.salt),
    saltedHash: bytes.readBigUInt64BE(at + AT.salted),
    isOwn: (flags & OWN) !== 0,
  };
}
