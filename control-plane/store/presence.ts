import type { RejectionMessage } from '../../src/api/config-service.js';

/** What one control plane tells the others that share its store. */
export interface ReplicaReport {
  /** For people. */
  readonly name: string;
  readonly version: string;
  /** Of the configuration that it serves. */
  readonly revision: number;
  /** xDS clients connected. */
  readonly clients: number;
  /** Those of them that have answered everything up to that revision, refusals included. */
  readonly settled: number;
  /** What clients refuse; some, where there are many. */
  readonly rejections: readonly ReportedRejection[];
  /** Clients that have owed an answer for long; a control plane of an older version does not say. */
  readonly late?: number;
  /** Clients that owe an answer; some, where there are many. */
  readonly unanswered?: readonly ReportedSilence[];
  /** Where it shares pins with the others, `HOST:PORT`; absent: it does not. */
  readonly sharing?: string;
}

export interface ReportedSilence {
  readonly client: string;
  /** Of the client. */
  readonly namespace: string;
  /** Since when, in milliseconds since the epoch; 0: it has not been told yet. */
  readonly sinceMs: number;
}

export interface ReportedRejection extends RejectionMessage {
  /** Of the client. */
  readonly namespace: string;
}

/** How control planes over one store know of each other. */
export interface Presence {
  /** What the others last said of themselves; those that have not been heard of for some seconds are left out. */
  readonly others: readonly ReplicaReport[];
  /** Tells the others. Calls may come fast: what is told is the newest. */
  publish(report: ReplicaReport): void;
  /** Calls back when {@link others} has changed. @returns what ends that */
  onChange(listener: () => void): () => void;
}

/** Where there are no others. */
export const ALONE: Presence = { others: [], publish: () => {}, onChange: () => () => {} };
