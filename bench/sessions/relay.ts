import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readBackup } from '../../control-plane/store/backup.js';
import { serviceSecret } from '../../control-plane/translate/policy.js';
import { toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { parseMeshService } from '../../src/model/mesh-service.js';
import { freePorts } from '../free-ports.js';
import { percentile, sorted } from '../measure/percentiles.js';
import { fineCpuMs } from '../measure/process-usage.js';
import { ROOST } from '../peers/roost.js';
import type { RunningProcess } from '../processes.js';
import { type SessionFigure, type SessionLab, withRange } from './lab.js';
import { type RelayMessage, type RelayReport, type RelayTask, sessionsOf } from './relay-plan.js';

const SIDECARS = fileURLToPath(new URL('./relay-sidecars.js', import.meta.url));
const SERVICE = 'checkout.shop';
/** Processes that the simulated sidecars are in. */
const PROCESSES = 2;
const DOCUMENT = {
  apiVersion: 'roost.dev/v1alpha1',
  kind: 'MeshService',
  metadata: { name: 'checkout', namespace: 'shop' },
  spec: {
    port: 80,
    versions: [{ name: 'v1', endpoints: [{ address: '127.0.0.1:9' }] }],
    routes: [{ name: 'default', split: [{ version: 'v1', weight: 1 }] }],
    affinity: { key: [{ header: 'x-user-id' }], version: 'persistent', endpoint: 'persistent' },
  },
};

interface Round {
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
  /** Sessions that not every sidecar knew in the end. */
  readonly unknown: number;
  readonly controlPlaneCores: number;
  /** CPU of a sidecar for a pin that it takes, in microseconds. */
  readonly receiveUs: number;
}

/** How soon a new pin is known to every sidecar of a caller, and what relaying costs the control plane. */
export async function measureRelay(lab: SessionLab): Promise<SessionFigure[]> {
  const { rounds, sidecars, rate } = lab.options;
  const done: Round[] = [];
  for (let round = 1; round <= rounds; round++) {
    lab.progress.step(`relay: round ${round} of ${rounds}`);
    done.push(await measureRound(lab));
  }
  const of = (name: keyof Round) => done.map((round) => round[name]);
  const what = `${sidecars} sidecars, ${rate} new sessions a second`;
  return [
    { name: `${what}: known to all after, p50`, figure: `${withRange(of('p50'), 0)} ms` },
    {
      name: `${what}: known to all after, p99`,
      figure: `${withRange(of('p99'), 0)} ms`,
      goal: '≤ 250 ms',
    },
    { name: `${what}: at most`, figure: `${withRange(of('most'), 0)} ms` },
    { name: `${what}: sessions that not all know`, figure: withRange(of('unknown'), 0), goal: '0' },
    {
      name: `${what}: CPU of the control plane`,
      figure: `${withRange(of('controlPlaneCores'), 2)} cores`,
      goal: '≤ 0.5 cores',
    },
    {
      name: `${what}: CPU of a sidecar for a pin that it takes`,
      figure: `${withRange(of('receiveUs'), 1)} µs`,
    },
  ];
}

async function measureRound(lab: SessionLab): Promise<Round> {
  const { port, pinSecret, process: controlPlane } = await startControlPlane(lab);
  const { sidecars, rate: newPerSecond, seconds } = lab.options;
  const each = Math.ceil(sidecars / PROCESSES);
  const tasks = Array.from({ length: PROCESSES }, (_, i): RelayTask => {
    const first = i * each;
    const count = Math.min(each, sidecars - first);
    const task = { controlPlanePort: port, service: SERVICE, pinSecret: pinSecret.toString('base64') };
    return { ...task, sidecars, first, count, newPerSecond, seconds };
  }).filter(({ count }) => count > 0);
  const workers = tasks.map((task) => start(lab, task));
  await Promise.all(workers.map(({ ready }) => ready));
  const [cpuBefore, from] = [fineCpuMs(controlPlane.pid), performance.now()];
  for (const { process: worker } of workers) worker.child.send('start');
  const cpu = cpuAfter(controlPlane, seconds).then((ms) => (ms - cpuBefore) / (seconds * 1000));
  const reports = await Promise.all(workers.map(({ report }) => report));
  const controlPlaneCores = await cpu;
  if (performance.now() - from < seconds * 1000) throw new Error('the sidecars ended early');
  await lab.processes.stop(controlPlane);
  return { ...judge(tasks[0] as RelayTask, reports), controlPlaneCores };
}

/** What the control plane has used by the end of the load. */
async function cpuAfter({ pid }: RunningProcess, seconds: number): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return fineCpuMs(pid);
}

function start({ processes, placement }: SessionLab, task: RelayTask) {
  const process_ = processes.start(process.execPath, [SIDECARS, JSON.stringify(task)], {
    name: 'the simulated sidecars',
    cores: placement.loadCores,
    ipc: true,
  });
  const { child } = process_;
  const ended = once(child, 'exit').then(() => {
    throw new Error(`the simulated sidecars have ended: ${process_.output.trim()}`);
  });
  const next = <K extends RelayMessage>(is: (message: RelayMessage) => message is K) => {
    const arrived = new Promise<K>((resolve) => {
      child.on('message', (message: RelayMessage) => is(message) && resolve(message));
    });
    return Promise.race([arrived, ended]);
  };
  const ready = next((message): message is { ready: true } => 'ready' in message);
  const report = next((message): message is { report: RelayReport } => 'report' in message);
  return { process: process_, ready, report: report.then((message) => message.report) };
}

async function startControlPlane({ processes, placement, options }: SessionLab) {
  const [port, http] = (await freePorts(2)) as [number, number];
  const profile = options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`];
  const dataDir = mkdtempSync(join(processes.folder, 'control-plane-'));
  const addresses = ['--grpc', `127.0.0.1:${port}`, '--http', `127.0.0.1:${http}`];
  const started = processes.start(
    process.execPath,
    [...profile, ROOST, 'control-plane', ...addresses, '--data-dir', dataDir, '--log-level', 'warn'],
    { name: 'the control plane', cores: placement.proxyCores },
  );
  await started.listening(port);
  const client = new ControlPlaneClient({ host: '127.0.0.1', port });
  try {
    await client.call('Apply', { documents: [toStruct(DOCUMENT)] });
    const { file } = await client.call<{ file: Buffer }>('Backup', {});
    const secret = Buffer.from(readBackup(Buffer.from(file)).pinSecret, 'base64');
    return { process: started, port, pinSecret: serviceSecret(parseMeshService(DOCUMENT), secret) };
  } finally {
    client.close();
  }
}

function judge(task: RelayTask, reports: readonly RelayReport[]): Omit<Round, 'controlPlaneCores'> {
  const sessions = sessionsOf(task);
  const parts = reports.map((report) => ({
    known: Buffer.from(report.known, 'base64'),
    lastMs: floats(report.lastMs),
    madeMs: floats(report.madeMs),
  }));
  const delays: number[] = [];
  for (let id = 0; id < sessions; id++) {
    const known = parts.reduce((sum, part) => sum + (part.known[id] as number), 0);
    const made = Math.max(...parts.map((part) => part.madeMs[id] as number));
    const last = Math.max(...parts.map((part) => part.lastMs[id] as number));
    if (known >= task.sidecars) delays.push(last - made);
  }
  const ascending = sorted(delays);
  const received = reports.reduce((sum, report) => sum + report.received, 0);
  const cpuMs = reports.reduce((sum, report) => sum + report.cpuMs, 0);
  return {
    p50: percentile(ascending, 50),
    p99: percentile(ascending, 99),
    most: percentile(ascending, 100),
    unknown: sessions - delays.length,
    receiveUs: (cpuMs * 1000) / received,
  };
}

function floats(base64: string): Float64Array {
  const bytes = Buffer.from(base64, 'base64');
  const aligned = new Uint8Array(bytes);
  return new Float64Array(aligned.buffer);
}
