import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { OperatorError } from '../lifecycle/operator-error.js';

/** Programs of the system that write rules. They may be where only root's PATH leads. */
const FOLDERS = ['/usr/sbin', '/sbin', '/usr/local/sbin'];
const TIMEOUT_MS = 30_000;
/** Rules in force as text: thousands of services of kube-proxy may stand beside ours. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

export interface ToolResult {
  readonly ok: boolean;
  readonly output: string;
  /** What it said went wrong, in one line. */
  readonly problem: string;
}

/** Runs programs; a test puts its own in place. */
export type RunTool = (program: string, args: readonly string[], input?: string) => ToolResult;

/** @returns `ok: false` also where the program is not installed, does not end in time, or prints too much */
export function runTool(program: string, args: readonly string[], input = ''): ToolResult {
  const { PATH = '' } = process.env;
  const env = {
    ...process.env,
    PATH: [PATH, ...FOLDERS].filter((part) => part !== '').join(':'),
    LC_ALL: 'C',
  };
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    env,
    input,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  const said = (stderr ?? '').trim().split('\n').slice(0, 3).join('; ');
  const problem = error === undefined ? said || `exit code ${status}` : describeFailure(program, error);
  return { ok: status === 0 && error === undefined, output: stdout ?? '', problem };
}

function describeFailure(program: string, error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return `${program} is not installed`;
  return error.code === 'ETIMEDOUT' ? `${program} took longer than 30 s` : error.message;
}

/** Bit of CAP_NET_ADMIN, `capabilities(7)`. */
const NET_ADMIN = 12n;

/** @throws OperatorError where this process may not read and write the kernel's rules */
export function requireNetAdmin(): void {
  if (process.platform !== 'linux')
    throw new OperatorError(`redirect rules need Linux; this system is "${process.platform}"`);
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  if (((BigInt(`0x${effective}`) >> NET_ADMIN) & 1n) === 0n)
    throw new OperatorError(
      'redirect rules need root or the capability CAP_NET_ADMIN; run the command with sudo, or give the container the capability NET_ADMIN',
    );
}

/** Whether the kernel has IPv6 turned on. */
export function hasIpv6(): boolean {
  return existsSync('/proc/net/if_inet6');
}
