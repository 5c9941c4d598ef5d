import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** A problem of the environment; the message says everything that a user needs. */
export class DemoError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DemoError';
  }
}

/** The project's folder, from which commands run as a user would run them. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** The built `roost` command. */
export const ROOST = join(ROOT, 'dist/src/cli/main.js');
const END_WITH_PARENT = new URL('./end-with-parent.js', import.meta.url).href;

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 3000;
/** How much of a child's output is kept in memory to look for a line in; all of it is in its log file. */
const TAIL_CHARS = 65_536;

/** A long-running child process with its log file. */
export class Child {
  private tail = '';
  /** The child is up and was not asked to end: if it ends now, it has crashed. Before that, {@link says} reports it. */
  private wanted = false;
  private readonly onOutput = new Set<() => void>();
  readonly ended: Promise<void>;

  constructor(
    readonly name: string,
    private readonly child: ChildProcess,
    logFile: string,
    onCrash: (error: DemoError) => void,
  ) {
    const log = createWriteStream(logFile, { flags: 'a' });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.pipe(log, { end: false });
      stream?.on('data', (data) => this.read(String(data)));
    }
    this.ended = once(child, 'close').then(
      () => {
        log.end();
        this.read('');
        if (this.wanted) onCrash(new DemoError(`${name} ended by itself: ${this.lastLine()}`));
      },
      (error: Error) => this.read(error.message),
    );
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  private get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null && this.pid !== 0;
  }

  /** Waits for output that matches. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const found = pattern.exec(this.tail);
      if (found) {
        this.wanted = true;
        return found;
      }
      if (!this.isRunning) throw new DemoError(`${this.name} did not start: ${this.lastLine()}`);
      if (Date.now() > deadline) throw new DemoError(`${this.name} did not start in time`);
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          this.onOutput.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, 500);
        this.onOutput.add(wake);
      });
    }
  }

  /** Sends a signal; from then on, the child's end is expected. */
  signal(signal: NodeJS.Signals): void {
    this.wanted = false;
    if (this.isRunning) this.child.kill(signal);
  }

  private read(text: string): void {
    this.tail = (this.tail + text).slice(-TAIL_CHARS);
    for (const wake of [...this.onOutput]) wake();
  }

  private lastLine(): string {
    return this.tail.trimEnd().split('\n').at(-1) || 'it said nothing';
  }
}

/** All children of the demo. None outlives it. */
export class Processes {
  private readonly children = new Set<Child>();
  /** Short-lived ones. */
  private readonly commands = new Set<ChildProcess>();
  private onCrash: (error: DemoError) => void = () => {};
  /** Rejects when a child ends that was not asked to. */
  readonly crashed: Promise<never>;
  private readonly killAtExit = () => this.signalAll('SIGKILL');

  /** @param folder for the log files */
  constructor(readonly folder: string) {
    this.crashed = new Promise((_, reject) => {
      this.onCrash = reject;
    });
    this.crashed.catch(() => {});
    process.once('exit', this.killAtExit);
  }

  /** Starts a script of this project. */
  start(name: string, script: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Child {
    const child = spawn(process.execPath, ['--import', END_WITH_PARENT, script, ...args], {
      cwd: ROOT,
      env: { ...plainEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const started = new Child(name, child, join(this.folder, `${name.replaceAll(' ', '-')}.log`), (error) =>
      this.onCrash(error),
    );
    this.children.add(started);
    void started.ended.then(() => this.children.delete(started));
    return started;
  }

  /** Runs a script to its end. @returns what it printed. @throws DemoError with its error output */
  async run(script: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
    const child = spawn(process.execPath, [script, ...args], {
      cwd: ROOT,
      env: { ...plainEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.commands.add(child);
    let output = '';
    let complaints = '';
    child.stdout.on('data', (data) => (output += String(data)));
    child.stderr.on('data', (data) => (complaints += String(data)));
    const [code] = (await once(child, 'close')) as [number | null];
    this.commands.delete(child);
    if (code !== 0) throw new DemoError(`${args.join(' ')} failed: ${(complaints || output).trim()}`);
    return output;
  }

  /** Ends all children: first with SIGTERM, then with SIGKILL. */
  async stop(): Promise<void> {
    const all = [...this.children];
    this.signalAll('SIGTERM');
    const ended = Promise.all(all.map((child) => child.ended));
    await Promise.race([ended, sleep(STOP_TIMEOUT_MS, undefined, { ref: false })]);
    this.signalAll('SIGKILL');
    await ended;
  }

  private signalAll(signal: NodeJS.Signals): void {
    for (const command of this.commands) command.kill(signal);
    for (const child of this.children) child.signal(signal);
  }
}

/** The environment without `ROOST_*` and proxy variables, so that no request leaves the machine. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^(?:ROOST_.*|NODE_OPTIONS|(?:http|https|no|all|grpc|no_grpc)_proxy)$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
}
