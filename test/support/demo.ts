import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

const DEMO = fileURLToPath(new URL('../../examples/shop/demo.js', import.meta.url));

/** The demo as a process, as `npm run demo` starts it. */
export class DemoProcess {
  output = '';
  readonly exited: Promise<number | null>;
  private readonly waiting = new Set<() => void>();

  private constructor(private readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (data) => {
        this.output += String(data);
        this.wake();
      });
    }
    this.exited = once(child, 'close').then(([code]) => {
      this.wake();
      return code as number | null;
    });
  }

  static start(t: Test, args: readonly string[] = []): DemoProcess {
    const child = spawn(process.execPath, [DEMO, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const demo = new DemoProcess(child);
    t.teardown(async () => {
      child.kill('SIGTERM');
      await demo.exited;
    });
    return demo;
  }

  /** Waits for output. @throws Error with all of it where the demo ends first */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.output);
      if (found) return found;
      if (this.child.exitCode !== null) throw new Error(`it never said ${pattern}:\n${this.output}`);
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Process ids of its children now. */
  children(): number[] {
    const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
    return table.split('\n').flatMap((line) => {
      const [pid, parent] = line.trim().split(/\s+/).map(Number);
      return parent === this.child.pid && pid !== undefined ? [pid] : [];
    });
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}

/** Those of these processes that still run. */
export function survivors(pids: readonly number[]): number[] {
  return pids.filter((pid) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  });
}
