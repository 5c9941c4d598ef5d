import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Owner } from './owner.js';

/** The built command, as `npx roost` runs it. */
export const ROOST = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

const START_TIMEOUT_MS = 90_000;

/**
 * Workers that sidecars of tests have, unless a test says otherwise: `ROOST_TEST_WORKERS=2 npm test -- test/e2e`
 * runs the same tests against another number.
 */
export const WORKERS = Number(process.env.ROOST_TEST_WORKERS ?? 1);

/** A finished command. */
export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `roost` to its end. */
export async function roost(
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; input?: string; cwd?: string } = {},
): Promise<Finished> {
  const env = { ...cleanEnvironment(), ...options.env };
  const child = spawn(process.execPath, [ROOST, ...args], {
    env,
    ...(options.cwd ? { cwd: options.cwd } : {}),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => (stdout += String(data)));
  child.stderr.on('data', (data) => (stderr += String(data)));
  child.stdin.end(options.input ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** A long-running `roost` process: its log, line by line, and its end. */
export class RoostProcess {
  readonly log: Record<string, unknown>[] = [];
  stderr = '';
  private readonly listeners = new Set<() => void>();
  readonly exited: Promise<number | null>;
  private rest = '';

  private constructor(readonly child: ChildProcess) {
    child.stdout?.on('data', (data) => this.read(String(data)));
    child.stderr?.on('data', (data) => (this.stderr += String(data)));
    this.exited = once(child, 'close').then(([code]) => {
      this.notify();
      return code as number | null;
    });
  }

  /**
   * Starts a process that the test ends, if nobody else has by then.
   *
   * @param program the built command of another version
   * @param launcher what to put before the command, as to run it in another network namespace
   */
  static start(
    t: Owner,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    program: string = ROOST,
    launcher: readonly string[] = [],
  ): RoostProcess {
    const [first = '', ...rest] = [...launcher, process.execPath, program, ...args];
    const child = spawn(first, rest, {
      env: { ...cleanEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const started = new RoostProcess(child);
    t.teardown(async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await started.exited;
    });
    return started;
  }

  /** The first log line with this message, now or later. */
  async logged(message: string | RegExp): Promise<Record<string, unknown>> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const found = this.log.find(({ msg }) =>
        typeof message === 'string' ? msg === message : message.test(String(msg)),
      );
      if (found) return found;
      if (this.child.exitCode !== null)
        throw new Error(`the process ended without logging "${message}": ${this.stderr}`);
      if (Date.now() > deadline)
        throw new Error(`nothing logged "${message}" in time: ${JSON.stringify(this.log)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, 200);
        const { listeners } = this;
        function done() {
          clearTimeout(timer);
          listeners.delete(done);
          resolve();
        }
        listeners.add(done);
      });
    }
  }

  /** Sends a signal and waits for the end. */
  async kill(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal);
    return this.exited;
  }

  private read(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) if (line.startsWith('{')) this.log.push(JSON.parse(line));
    this.notify();
  }

  private notify(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

/** A control plane of its own process, on free ports. */
export async function startControlPlane(
  t: Owner,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
  program?: string,
): Promise<{ process: RoostProcess; grpc: string; http: string }> {
  const withPorts = [...ifAbsent(args, '--grpc', '127.0.0.1:0'), ...ifAbsent(args, '--http', '127.0.0.1:0')];
  const started = RoostProcess.start(t, ['control-plane', ...withPorts, ...args], env, program);
  const { grpc, http } = (await started.logged('control plane is ready')) as { grpc: string; http: string };
  return { process: started, grpc, http };
}

export interface StartedSidecar {
  readonly process: RoostProcess;
  readonly outbound: string;
  readonly inbound: string;
  readonly admin: string;
  /** Where it was asked for. */
  readonly csds?: string;
}

/** A sidecar of its own process, on free ports. Returns once it is listening; `/ready` may take longer. */
export async function startSidecar(
  t: Owner,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  program?: string,
): Promise<StartedSidecar> {
  const ports = ['--outbound', '--inbound', '--admin'].flatMap((flag) => ifAbsent(args, flag, '127.0.0.1:0'));
  const workers = ifAbsent(args, '--workers', String(WORKERS));
  const started = RoostProcess.start(t, ['sidecar', ...ports, ...workers, ...args], env, program);
  const { outbound, inbound, admin, csds } = (await started.logged('sidecar is listening')) as Record<
    'outbound' | 'inbound' | 'admin' | 'csds',
    string
  >;
  return { process: started, outbound, inbound, admin, csds };
}

function ifAbsent(args: readonly string[], flag: string, value: string): string[] {
  return args.includes(flag) ? [] : [flag, value];
}

/** Without what the surroundings of the test say to `roost`. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('ROOST_') && name !== 'NODE_OPTIONS'),
  );
}

/** Waits until something holds; fails loudly when it does not in time. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 90_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (await condition()) return;
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Whether a process with this number is there. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
