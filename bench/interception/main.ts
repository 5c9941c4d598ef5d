import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Teardown } from '../../src/lifecycle/teardown.js';
import type { Pod } from '../../test/support/network-namespaces.js';
import { whyNoNamespaces } from '../../test/support/network-namespaces.js';
import { ownerOf } from '../../test/support/owner.js';
import { findPeer, pathOf } from '../../test/support/peers.js';
import { Pods, SIDECAR_USER, serviceAt } from '../../test/support/pods.js';
import { applyRedirect } from '../../test/support/redirect-settings.js';
import { fineCpuMs } from '../measure/process-usage.js';
import { originalDestinationEnvoy } from './envoy-config.js';

/**
 * What interception adds to a call: the same call without sidecars, through two of ours, and through two Envoys with
 * `original_dst`, under the same rules. Needs root, wrk and Envoy.
 */

const ROUNDS = Number(process.argv[2] ?? 5);
const SECONDS = 4;
const CONNECTIONS = 1;
const PORT = 8080;

interface Way {
  readonly name: string;
  readonly caller: Pod;
  readonly url: string;
  /** Of both sidecars; empty: there are none. */
  readonly pids: readonly number[];
}

interface Figures {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuUsPerCall: number;
  readonly callsPerSecond: number;
}

async function main(): Promise<void> {
  const missing = whyNoNamespaces();
  if (missing !== false) throw new Error(missing);
  const [wrk, envoy] = [pathOf(findPeer(undefined, 'wrk')), pathOf(findPeer('ENVOY', 'envoy'))];
  const teardown = new Teardown();
  try {
    const ways = await prepare(teardown, envoy);
    const figures = new Map<string, Figures[]>(ways.map(({ name }) => [name, []]));
    for (let round = 0; round < ROUNDS; round++)
      for (const way of ways) {
        const found = measure(wrk, way);
        figures.get(way.name)?.push(found);
        process.stderr.write(`round ${round + 1}: ${way.name}: ${JSON.stringify(found)}\n`);
      }
    process.stdout.write(`${table(figures)}\n`);
  } finally {
    await teardown.run();
  }
}

async function prepare(teardown: Teardown, envoy: string): Promise<Way[]> {
  const owner = ownerOf(teardown);
  const pods = await Pods.start({ ...owner, equal: mustBeEqual } as never);
  const plain = { caller: pods.plain(), server: pods.plain() };
  const ours = { caller: await pods.meshed('frontend'), server: await pods.meshed('checkout') };
  const theirs = { caller: pods.plain(), server: pods.plain() };
  for (const server of [plain.server, theirs.server])
    await (await server.startAgent()).serve('app', '::', PORT);
  await ours.server.app.serve('app', '::', PORT);
  const address = `${ours.server.ipv4}:${PORT}`;
  pods.apply(serviceAt('checkout', [ours.server.ipv4], { v1: [address] }, { port: PORT }));
  const folder = mkdtempSync(join(tmpdir(), 'roost-bench-'));
  teardown.add(() => rmSync(folder, { recursive: true, force: true }));
  // Envoy runs as the sidecar's user.
  chmodSync(folder, 0o755);
  const config = join(folder, 'envoy.json');
  writeFileSync(config, JSON.stringify(originalDestinationEnvoy()), { mode: 0o644 });
  const envoys = [theirs.caller, theirs.server].map((pod) => {
    applyRedirect({ equal: mustBeEqual } as never, pod);
    return startEnvoy(teardown, pod, envoy, config);
  });
  await sleep(3000);
  const pidsOf = (children: readonly ChildProcess[]) => children.map(({ pid }) => pid as number);
  const urlOf = ({ server }: { server: Pod }) => `http://${server.ipv4}:${PORT}/`;
  return [
    { name: 'no sidecars', caller: plain.caller, url: urlOf(plain), pids: [] },
    {
      name: 'Roost, two sidecars',
      caller: ours.caller,
      url: urlOf(ours),
      pids: pidsOf([ours.caller.sidecar.child, ours.server.sidecar.child]),
    },
    { name: 'Envoy, two sidecars', caller: theirs.caller, url: urlOf(theirs), pids: pidsOf(envoys) },
  ];
}

function startEnvoy(teardown: Teardown, pod: Pod, envoy: string, config: string): ChildProcess {
  const [program = '', ...args] = [
    ...pod.enter(SIDECAR_USER),
    ...[
      envoy,
      '--config-path',
      config,
      '--disable-hot-restart',
      '--concurrency',
      '1',
      '--log-level',
      'error',
    ],
  ];
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  teardown.add(() => void child.kill('SIGKILL'));
  return child;
}

/** One run of wrk in the caller's pod: one call after the other on one connection. */
function measure(wrk: string, { caller, url, pids }: Way): Figures {
  const before = cpuMs(pids);
  const command = [wrk, '-t1', `-c${CONNECTIONS}`, `-d${SECONDS}s`, '--latency', url];
  const { stdout, stderr } = caller.runAs({ uid: 1000, gid: 1000 }, command);
  const usedMs = cpuMs(pids) - before;
  if (/Non-2xx|Socket errors/.test(stdout) || stdout === '') throw new Error(`${url}: ${stdout}${stderr}`);
  const calls = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  return {
    p50Us: microseconds(/50%\s+([\d.]+)(us|ms|s)/.exec(stdout)),
    p99Us: microseconds(/99%\s+([\d.]+)(us|ms|s)/.exec(stdout)),
    cpuUsPerCall: (usedMs * 1000) / calls,
    callsPerSecond: calls / SECONDS,
  };
}

function microseconds(found: RegExpExecArray | null): number {
  const units = { us: 1, ms: 1000, s: 1e6 } as const;
  return Number(found?.[1]) * units[(found?.[2] ?? 'us') as keyof typeof units];
}

function cpuMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + fineCpuMs(pid), 0);
}

/** Medians, with the range in brackets; what is added is against no sidecars. */
function table(figures: ReadonlyMap<string, readonly Figures[]>): string {
  const spread = (values: readonly number[]) => {
    const sorted = values.toSorted((a, b) => a - b);
    const [median = 0, least = 0, most = 0] = [sorted[sorted.length >> 1], sorted[0], sorted.at(-1)];
    return `${Math.round(median)} (${Math.round(least)}–${Math.round(most)})`;
  };
  const rows = [...figures].map(([name, all]) => {
    const column = (pick: (each: Figures) => number) => spread(all.map(pick));
    return `| ${name} | ${column((f) => f.p50Us)} | ${column((f) => f.p99Us)} | ${column((f) => f.cpuUsPerCall)} | ${column((f) => f.callsPerSecond)} |`;
  });
  return [
    '| | p50, µs | p99, µs | CPU of both sidecars for a call, µs | calls a second |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

function mustBeEqual(found: unknown, wanted: unknown, message?: string): void {
  if (found !== wanted) throw new Error(message ?? `${found}`);
}

await main();
