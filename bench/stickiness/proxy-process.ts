import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Owner } from '../../test/support/owner.js';
import { onPath } from '../processes.js';

const KEPT_OUTPUT = 2000;

/** A peer's process. It ends with its owner, and with this process however that ends. */
export class ProxyProcess {
  private output = '';

  private constructor(
    private readonly name: string,
    private readonly child: ReturnType<typeof spawn>,
  ) {
    child.stderr?.on('data', (data) => (this.output = (this.output + String(data)).slice(-KEPT_OUTPUT)));
    child.on('error', (error) => (this.output += error.message));
  }

  static start(owner: Owner, command: string, args: readonly string[]): ProxyProcess {
    const prefix = onPath('setpriv') ? ['setpriv', '--pdeathsig', 'TERM'] : [];
    const [first, ...rest] = [...prefix, command, ...args] as [string, ...string[]];
    const child = spawn(first, rest, { stdio: ['ignore', 'ignore', 'pipe'] });
    const started = new ProxyProcess(command, child);
    owner.teardown(() => started.stop());
    return started;
  }

  /** @throws Error if the process has ended */
  assertRuns(): void {
    if (this.hasEnded) throw new Error(`${this.name} ended: ${this.output.trim()}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  private get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null || this.child.pid === undefined;
  }

  private async stop(): Promise<void> {
    if (this.hasEnded) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await gone;
  }
}

/** The body of an answer on a connection of its own; undefined where there is none yet. */
export function fetchText(port: number, path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const call = request({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      text(response).then(resolve, () => resolve(undefined));
    });
    call.once('error', () => resolve(undefined));
    call.end();
  });
}

/** Replaces a file in one step, so that a reader sees the old or the new content. */
export async function replaceFile(file: string, content: string): Promise<void> {
  await writeFile(`${file}.new`, content);
  await rename(`${file}.new`, file);
}
