import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5000;
/** Of a process's error output, kept for the message should it fail. */
const KEPT_OUTPUT = 4000;

export interface StartOptions {
  /** For messages. */
  readonly name: string;
  /** Cores to run on, as `taskset -c` takes them; undefined: wherever. */
  readonly cores: string | undefined;
  /** With a channel for messages; only for Node. */
  readonly ipc?: boolean;
}

/** What a finished command printed. */
export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
}

/** A process under the benchmark. */
export class RunningProcess {
  output = '';
  private ended = false;

  constructor(
    readonly name: string,
    readonly child: ChildProcess,
  ) {
    const keep = (data: Buffer) => (this.output = (this.output + String(data)).slice(-KEPT_OUTPUT));
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.on('error', (error) => {
      this.output += error.message;
      this.ended = true;
    });
    child.on('exit', () => (this.ended = true));
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get hasEnded(): boolean {
    return this.ended;
  }

  /** Asks it to end, insists after a while, and returns once it is gone. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.ended) return;
    const gone = once(this.child, 'exit');
    this.child.kill(signal);
    const insist = setTimeout(() => this.child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await gone;
    clearTimeout(insist);
  }

  /** Returns once something accepts connections on the port; fails when the process ends first. */
  async listening(port: number): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await accepts(port))) {
      if (this.ended) throw new Error(`${this.name} ended while starting: ${this.output.trim()}`);
      if (Date.now() > deadline)
        throw new Error(`${this.name} does not listen on port ${port}: ${this.output.trim()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Last resort, from an exit handler: nothing there may wait. */
  destroy(): void {
    if (!this.ended) this.child.kill('SIGKILL');
  }
}

/** Every process and folder that the benchmark makes; all are gone when it ends, however it ends. */
export class ProcessGroup {
  readonly folder = mkdtempSync(join(tmpdir(), 'roost-bench-'));
  private readonly running = new Set<RunningProcess>();
  private readonly prefix = dieWithParent();
  private readonly canPin = onPath('taskset') !== undefined;

  constructor() {
    process.once('exit', () => {
      for (const running of this.running) running.destroy();
      rmSync(this.folder, { recursive: true, force: true });
    });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => process.exit(130));
  }

  /** Starts a process that goes on until it is stopped. */
  start(command: string, args: readonly string[], options: StartOptions): RunningProcess {
    const running = new RunningProcess(options.name, this.spawn(command, args, options));
    this.running.add(running);
    return running;
  }

  /** Runs a command to its end. @throws Error when it fails */
  async run(command: string, args: readonly string[], options: StartOptions): Promise<Finished> {
    const child = this.spawn(command, args, options);
    const running = new RunningProcess(options.name, child);
    this.running.add(running);
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (data) => (stdout += String(data)));
    child.stderr?.on('data', (data) => (stderr += String(data)));
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    this.running.delete(running);
    if (code !== 0) throw new Error(`${options.name} failed (${code ?? signal}): ${stderr.trim()}`);
    return { stdout, stderr };
  }

  async stop(process: RunningProcess, signal?: NodeJS.Signals): Promise<void> {
    await process.stop(signal);
    this.running.delete(process);
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.running].map((running) => this.stop(running)));
  }

  private spawn(command: string, args: readonly string[], { cores, ipc }: StartOptions): ChildProcess {
    const pin = cores !== undefined && this.canPin ? ['taskset', '-c', cores] : [];
    const [first, ...rest] = [...this.prefix, ...pin, command, ...args] as [string, ...string[]];
    const stdio = ['ignore', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])] as const;
    return spawn(first, rest, { env: cleanEnvironment(), stdio: [...stdio] });
  }
}

/** Where a command is, by PATH; absolute paths are taken as they are. */
export function onPath(command: string): string | undefined {
  try {
    const found = execFileSync('/bin/sh', ['-c', 'command -v -- "$1"', 'sh', command], { encoding: 'utf8' });
    return found.trim() || undefined;
  } catch {
    return undefined;
  }
}

/** On Linux, children end even when this process is killed outright. */
function dieWithParent(): string[] {
  return process.platform === 'linux' && onPath('setpriv') ? ['setpriv', '--pdeathsig', 'KILL'] : [];
}

/** Without what the surroundings say to Node or to `roost`. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('ROOST_') && name !== 'NODE_OPTIONS'),
  );
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}
