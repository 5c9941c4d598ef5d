import type { PortSharing } from '../../src/lifecycle/listen.js';
import type { SocketAddress } from '../../src/model/formats.js';
import type { ClusterLoad } from '../../src/xds/load-report.js';
import type { MetricTexts } from '../admin/summed-metrics.js';
import type { DataPathOptions } from '../assembly/data-path.js';
import type { SharedMemory } from '../assembly/shared-state.js';
import type { RecorderSettings } from '../assembly/worker-parts.js';
import type { Sighting } from '../cluster/worker-cluster.js';
import type { HostVerdict } from '../discovery/on-demand.js';
import type { Direction, ListenerFigures } from '../net/listener.js';
import type { ClusterTallies } from '../records/cluster-tallies.js';
import type { NewFailovers } from '../records/failovers.js';
import type { Sample } from '../records/request-samples.js';
import type { JournalEnd } from './journal.js';

/** What a worker of its own thread is started with. */
export interface WorkerSetup {
  /** How long calls wait for hosts that are asked for when they are called; undefined: none are. */
  readonly hostWaitMs: number | undefined;
  /** From 2: the main thread is the first. */
  readonly number: number;
  readonly options: DataPathOptions & RecorderSettings;
  readonly memory: SharedMemory;
  readonly journal: JournalEnd;
  /** What the main thread's `performance.now()` counts from, as `process.hrtime()` has it, in milliseconds. */
  readonly clockOriginMs: number;
}

/** A listener's address, and the worker's own way to it. */
export interface ListenPlace {
  readonly address: SocketAddress;
  readonly sharing: PortSharing;
}

/** What the main thread asks of the other workers. */
export interface Questions {
  listen(direction: Direction, place: ListenPlace): Promise<void>;
  figures(direction: Direction): ListenerFigures;
  announceEnd(direction: Direction): void;
  refuse(direction: Direction): Promise<void>;
  endIdle(direction: Direction): void;
  continue(direction: Direction): void;
  metrics(): Promise<MetricTexts>;
  clusters(): ClusterTallies;
  samples(count: number): readonly Sample[];
  /** What is new since the last time. */
  load(): readonly ClusterLoad[];
  /** Cuts off what is left, and hands on the last of the log. */
  finish(): Promise<void>;
}

/** A cluster, or one address of it, in which a worker needs a connection that others may have to spare. */
export interface RoomWanted {
  readonly cluster: string;
  readonly address: string | undefined;
}

/** Sessions of one service, as the session table finds them. */
export type NotedPins = readonly [service: string, keys: BigUint64Array];

export type ToWorker =
  | {
      readonly kind: 'question';
      readonly id: number;
      readonly question: keyof Questions;
      readonly args: readonly unknown[];
    }
  | { readonly kind: 'room'; readonly wanted: RoomWanted }
  /** What became of a call to a host that was asked about; undefined: it is in the table. */
  | { readonly kind: 'host'; readonly id: number; readonly verdict: HostVerdict | undefined }
  /** What a call waits for is here, or is waited for no longer. `forGood`: by no call to the service. */
  | { readonly kind: 'pins-known'; readonly id: number; readonly service: string; readonly forGood: boolean }
  /** Lines that the worker sent have been written. */
  | { readonly kind: 'logged' };

export type FromWorker =
  /** It waits for questions. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly error: Error }
  | { readonly kind: 'sighting'; readonly sighting: Sighting }
  | { readonly kind: 'room'; readonly wanted: RoomWanted }
  /** A call to a host that is not in the table waits for what the main thread knows of it, or does not any more. */
  | { readonly kind: 'host'; readonly id: number; readonly authority: string }
  | { readonly kind: 'host-given-up'; readonly id: number }
  /** Sessions that have a new pin, or have been used for some time. */
  | { readonly kind: 'pins'; readonly pins: readonly NotedPins[] }
  /** A call to the service waits for what others know of its sessions. */
  | { readonly kind: 'pins-wanted'; readonly id: number; readonly service: string; readonly key: bigint }
  /** Something was sent by way of these route configurations. */
  | { readonly kind: 'used'; readonly routes: readonly string[] }
  /** Something for the sidecar's own log. */
  | { readonly kind: 'warning'; readonly fields: Readonly<Record<string, string>>; readonly message: string }
  /** Requests went to another release, since theirs has no usable endpoint. */
  | { readonly kind: 'failovers'; readonly news: readonly NewFailovers[] }
  /** Whole lines of log, for the one who writes. */
  | { readonly kind: 'log'; readonly text: string };
