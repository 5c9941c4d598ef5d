import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Backends, startBackends } from './backends/backends.js';
import { writeRequestPool } from './load/request-pool.js';
import type { Placement } from './machine.js';
import { type Measurement, measureCell, measureSaturation, targetOf, warmUp } from './measure/cell.js';
import type { BenchOptions } from './options.js';
import { allPeers, RATE_BASES } from './peers/all-peers.js';
import type { Peer, PeerContext, StartedPeer } from './peers/peer.js';
import type { ProcessGroup } from './processes.js';
import type { Progress } from './progress.js';
import type { Cell, PeerEntry, RoundFigures, RunResult } from './report/results.js';
import { checkSameJob } from './validate.js';
import { WORKLOADS, type Workload, workloadNamed } from './workloads.js';

const CALIBRATION_SECONDS = 1;
const NO_PROXY = 'no proxy';

export interface Bench {
  readonly options: BenchOptions;
  readonly processes: ProcessGroup;
  readonly placement: Placement;
  readonly progress: Progress;
}

type ComparisonResult = Pick<RunResult, 'peers' | 'cells' | 'rates' | 'rateBasis'>;

/** The comparison: every proxy under every workload, in turns, round after round. */
export async function compareProxies(bench: Bench): Promise<ComparisonResult> {
  const workloads = chosenWorkloads(bench.options);
  const tls = workloads.some((workload) => workload.tls);
  const backends = await startBackends(bench.processes, { tls, cores: bench.placement.loadCores });
  const comparison = new Comparison(bench, backends, workloads);
  return comparison.run();
}

export function chosenWorkloads({ workloads, tls }: BenchOptions): readonly Workload[] {
  if (workloads.length > 0) return workloads.map(workloadNamed);
  return WORKLOADS.filter((workload) => tls || !workload.tls);
}

/** The peers asked for. @throws RangeError naming what there is */
export function chosenPeers({ only, envoyPath }: BenchOptions): readonly Peer[] {
  const peers = allPeers(envoyPath);
  const unknown = only.filter((name) => !peers.some((peer) => peer.name === name));
  if (unknown.length > 0)
    throw new RangeError(
      `no proxy "${unknown.join('", "')}"; there is ${peers.map(({ name }) => name).join(', ')}`,
    );
  return only.length === 0 ? peers : peers.filter(({ name }) => only.includes(name));
}

class Comparison {
  private readonly cells = new Map<string, { cell: Cell; rounds: RoundFigures[] }>();
  private readonly entries = new Map<string, PeerEntry>();
  private readonly rates: Record<string, number> = {};
  private rateBasis = '';
  private steps = 0;
  private starts = 0;

  constructor(
    private readonly bench: Bench,
    private readonly backends: Backends,
    private readonly workloads: readonly Workload[],
  ) {}

  async run(): Promise<ComparisonResult> {
    this.writePools();
    const peers = await this.checkAll(chosenPeers(this.bench.options));
    await this.calibrate(peers);
    const { rounds } = this.bench.options;
    for (let round = 0; round < rounds; round++) {
      // Every round starts with another one, so that none is always measured first, or after the same one.
      const order = peers.map((_, i) => peers[(i + round) % peers.length] as Peer);
      const total = peers.length * rounds * this.workloads.length;
      for (const workload of this.workloads)
        for (const peer of order)
          await this.measure(peer, workload, `round ${round + 1} of ${rounds}`, total);
    }
    return {
      peers: [...this.entries.values()],
      cells: [...this.cells.values()].map(({ cell, rounds: figures }) => ({ ...cell, rounds: figures })),
      rates: this.rates,
      rateBasis: this.rateBasis,
    };
  }

  private writePools(): void {
    for (const workload of this.workloads) writeRequestPool(this.poolOf(workload), workload);
  }

  /** Starts every peer once and proves that it does the job. Those that are missing or do not are named. */
  private async checkAll(peers: readonly Peer[]): Promise<readonly Peer[]> {
    const usable: Peer[] = [];
    for (const peer of peers) {
      const version = peer.version();
      const missing = version === undefined ? `missing: ${peer.remedy}` : await this.check(peer);
      const { name, description } = peer;
      this.entries.set(name, { name, description, version: version ?? '', missing });
      if (missing === '') usable.push(peer);
    }
    return usable;
  }

  private async check(peer: Peer): Promise<string> {
    this.bench.progress.step(`${peer.name}: does it do the same job?`);
    try {
      await this.withPeer(peer, async ({ port, proxy }) => {
        if (proxy !== undefined) await checkSameJob(port);
      });
      return '';
    } catch (error) {
      return `failed: ${(error as Error).message}`;
    }
  }

  private async calibrate(peers: readonly Peer[]): Promise<void> {
    const { rate } = this.bench.options;
    const basis = RATE_BASES.map((name) => peers.find((peer) => peer.name === name)).find((peer) => peer);
    if (rate !== undefined || basis === undefined) {
      for (const { name } of this.workloads) this.rates[name] = rate ?? 1000;
      return;
    }
    this.rateBasis = basis.name;
    await this.withPeer(basis, async (started) => {
      for (const workload of this.workloads) {
        if (targetOf(started, workload) === undefined) {
          this.rates[workload.name] = 1000;
          continue;
        }
        this.bench.progress.step(`${basis.name}: what is half of its saturation? ${workload.title}`);
        const measurement = this.measurement(started, workload, CALIBRATION_SECONDS);
        await warmUp(measurement, CALIBRATION_SECONDS);
        const { requestsPerSecond } = await measureSaturation(measurement);
        this.rates[workload.name] = Math.max(1, roundedRate(requestsPerSecond / 2));
      }
    });
  }

  /** A fresh process for every cell: what a proxy did before would show in its memory, and in Node's compiled code. */
  private async measure(peer: Peer, workload: Workload, round: string, total: number): Promise<void> {
    this.bench.progress.step(`${round}: ${peer.name}, ${workload.title}`, this.steps++ / total);
    await this.withPeer(peer, async (started) => {
      if (targetOf(started, workload) === undefined) return;
      const measurement = this.measurement(started, workload, this.bench.options.seconds);
      this.keep(peer, workload, await measureCell(measurement, this.rates[workload.name] as number));
    });
  }

  private keep(peer: Peer, workload: Workload, figures: RoundFigures): void {
    const key = `${peer.name} ${workload.name}`;
    const cell: Cell = { peer: peer.name, workload: workload.name, rounds: [] };
    const known = this.cells.get(key) ?? { cell, rounds: [] };
    known.rounds.push(peer.name === NO_PROXY ? { ...figures, cpuUs: Number.NaN } : figures);
    this.cells.set(key, known);
  }

  private measurement(peer: StartedPeer, workload: Workload, seconds: number): Measurement {
    const { processes, placement } = this.bench;
    return { processes, placement, peer, workload, pool: this.poolOf(workload), seconds };
  }

  private async withPeer(peer: Peer, work: (started: StartedPeer) => Promise<void>): Promise<void> {
    const { processes, placement } = this.bench;
    const folder = join(processes.folder, `peer-${++this.starts}`);
    mkdirSync(folder);
    const context: PeerContext = { processes, folder, backends: this.backends, ...placement };
    const started = await peer.start(context);
    try {
      await work(started);
    } finally {
      await started.stop();
    }
  }

  private poolOf(workload: Workload): string {
    return join(this.bench.processes.folder, `${workload.name}.requests`);
  }
}

/** Two digits: a rate that a person can remember. */
function roundedRate(rate: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(rate)) - 1);
  return Math.round(rate / unit) * unit;
}
