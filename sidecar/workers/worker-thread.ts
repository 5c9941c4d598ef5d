import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { CoarseClock } from '../../src/lifecycle/coarse-clock.js';
import { LogOutput } from '../../src/telemetry/log-output.js';
import { workerMetrics } from '../admin/metrics.js';
import { collectTexts } from '../admin/summed-metrics.js';
import { sharedState } from '../assembly/shared-state.js';
import {
  assembleWorkerParts,
  releaseWorkerParts,
  TICK_MS,
  tickWorkerParts,
  upstreamSettings,
  type WorkerParts,
} from '../assembly/worker-parts.js';
import { FoundCounts } from '../cluster/shared-counts.js';
import { AppRefusals } from '../http/app-refusal.js';
import { tallyClusters } from '../records/cluster-tallies.js';
import { hrtimeMs } from './clock-origin.js';
import { JournalReader } from './journal-reader.js';
import type { FromWorker, Questions, ToWorker, WorkerSetup } from './messages.js';
import { Replica } from './replica.js';
import { WorkerFleetPins } from './worker-fleet-pins.js';
import { WorkerHostLookup } from './worker-host-lookup.js';

/**
 * A worker in a thread of its own: the main thread's data path once more, its configuration from the {@link Journal},
 * what requests leave for others in shared memory, all else by message.
 */

/** How long the main thread may take for the last lines of log. */
const LAST_LINES_MS = 500;

function start(setup: WorkerSetup, main: MessagePort): void {
  const tell = (message: FromWorker) => main.postMessage(message);
  const clock = new CoarseClock(TICK_MS, hrtimeMs() - performance.now() - setup.clockOriginMs);
  const counts = new FoundCounts();
  const settings = upstreamSettings(setup.options, () => clock.nowMs);
  const refusals = new AppRefusals();
  const replica = new Replica({
    settings: { ...settings, counts },
    onSighting: (sighting) => tell({ kind: 'sighting', sighting }),
    onRoomWanted: (wanted) => tell({ kind: 'room', wanted }),
    onSidecarKey: (key) => {
      refusals.key = key;
    },
  });
  const journal = new JournalReader(setup.journal, counts, (change, isReady) =>
    replica.make(change, isReady),
  );
  const log = new RelayedLog((text) => tell({ kind: 'log', text }));
  const { hostWaitMs } = setup;
  const hosts = hostWaitMs === undefined ? undefined : new WorkerHostLookup(hostWaitMs, tell);
  const used = new Set<string>();
  const fleetPins = new WorkerFleetPins(tell);
  const parts = assembleWorkerParts({
    number: setup.number,
    options: setup.options,
    settings,
    refusals,
    state: sharedState(setup.memory, counts),
    clusters: replica.clusters,
    output: log.output,
    warn: (fields, message) => tell({ kind: 'warning', fields, message }),
    onFailovers: (news) => tell({ kind: 'failovers', news }),
    table: () => {
      journal.catchUp();
      return replica.configuration.table;
    },
    onDemand: hosts,
    fleetPins,
    noteUse: (host) => {
      const routes = replica.configuration.routesOf(host);
      if (routes !== undefined) used.add(routes);
    },
  });

  clock.onTick = (nowMs) => {
    journal.catchUp();
    replica.clusters.tick(nowMs);
    tickWorkerParts(parts, nowMs);
    fleetPins.tick();
    if (used.size === 0) return;
    tell({ kind: 'used', routes: [...used] });
    used.clear();
  };

  const finish = async () => {
    clock.stop();
    journal.close();
    releaseWorkerParts(parts);
    await log.output.drain(LAST_LINES_MS);
  };
  const answers: Questions = { ...answersOf(parts), finish };
  main.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'question':
        void answer(message, answers, tell);
        return;
      case 'logged':
        log.onTaken();
        return;
      case 'host':
        hosts?.onAnswer(message.id, message.verdict);
        return;
      case 'pins-known':
        fleetPins.onKnown(message);
        return;
      case 'room':
        replica.clusters.find(message.wanted.cluster)?.giveRoom(message.wanted.address);
    }
  });
  tell({ kind: 'ready' });
}

function answersOf(parts: WorkerParts): Omit<Questions, 'finish'> {
  return {
    listen: async (direction, { address, sharing }) => void (await parts[direction].start(address, sharing)),
    figures: (direction) => parts[direction].figures(),
    announceEnd: (direction) => parts[direction].announceEnd(),
    refuse: (direction) => parts[direction].refuse(),
    endIdle: (direction) => parts[direction].endIdle(),
    continue: (direction) => parts[direction].continue(),
    metrics: () => collectTexts(workerMetrics(parts)),
    clusters: () => tallyClusters(parts.clusters),
    samples: (count) => parts.samples.latest(count),
    load: () => parts.ledger.take(new Map()),
  };
}

async function answer(
  { id, question, args }: Extract<ToWorker, { kind: 'question' }>,
  answers: Questions,
  tell: (message: FromWorker) => void,
): Promise<void> {
  try {
    const give = answers[question] as (...args: unknown[]) => unknown;
    tell({ kind: 'answer', id, value: await give(...args) });
  } catch (error) {
    tell({ kind: 'failure', id, error: error as Error });
  }
}

/** The worker's lines on their way to the one who writes; one batch at a time, as a reader takes them. */
class RelayedLog {
  private taken: () => void = () => {};
  readonly output = new LogOutput((text, taken) => {
    this.taken = taken;
    this.send(text);
  });

  constructor(private readonly send: (text: string) => void) {}

  onTaken(): void {
    this.taken();
  }
}

start(workerData as WorkerSetup, parentPort as MessagePort);
