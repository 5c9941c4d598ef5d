import { setTimeout as wait } from 'node:timers/promises';
import type { Random } from '../../bench/simulate/random.js';
import { INSECURE } from '../../src/access/channel-security.js';
import type { ChangeResponse, HistoryResponse, ListResponse } from '../../src/api/config-service.js';
import { fromStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { CommandError, EXIT } from '../../src/cli/exit.js';
import type { SocketAddress } from '../../src/model/formats.js';
import type { MeshServiceInput } from '../../src/model/schema.js';

const PAUSE_MS = 30;
/** What was written to one service: each write sets another weight, larger than all before it. */
interface Written {
  acknowledged: number;
  /** Weights of which nobody said what became of them, since the last acknowledged one. */
  unknown: Set<number>;
  refused: Set<number>;
}

export interface WriteReport {
  readonly acknowledged: number;
  /** Told that nothing was changed. */
  readonly refused: number;
  /** Told that it is not known. */
  readonly unknown: number;
  /** Acknowledged, and not there. */
  readonly lost: number;
  /** Told that it was not made, and there. */
  readonly madeAlthoughRefused: number;
}

/** Somebody who changes weights all the time, and remembers what the answers were. */
export class Operator {
  private readonly services = new Map<string, Written>();
  private readonly revisions = new Map<number, string>();
  private readonly counts = { acknowledged: 0, refused: 0, unknown: 0, lost: 0, madeAlthoughRefused: 0 };
  private next = 2;
  private working: Promise<void> = Promise.resolve();
  private running = false;
  private readonly client: ControlPlaneClient;

  /**
   * @param names services with releases v1 and v2, which nobody else writes to
   * @param resolveMs how long it is asked what became of a change
   */
  constructor(
    addresses: readonly SocketAddress[],
    names: readonly string[],
    private readonly random: Random,
    resolveMs: number,
  ) {
    for (const name of names)
      this.services.set(name, { acknowledged: 1, unknown: new Set(), refused: new Set() });
    const [first, ...others] = addresses as [SocketAddress, ...SocketAddress[]];
    this.client = new ControlPlaneClient(first, 'chaos', INSECURE, {
      others: others.map((address) => ({ address, security: INSECURE })),
      resolveMs,
    });
  }

  get report(): WriteReport {
    return { ...this.counts };
  }

  start(): void {
    this.running = true;
    this.working = this.work();
  }

  /** Resolves when nothing is under way. */
  async pause(): Promise<void> {
    this.running = false;
    await this.working;
  }

  close(): void {
    this.client.close();
  }

  /** One write that must succeed, as soon as it can. @returns its revision */
  async writeNow(): Promise<number> {
    const before = this.counts.acknowledged;
    await this.write();
    if (this.counts.acknowledged === before) throw new Error('a change is not acknowledged');
    return [...this.revisions.keys()].at(-1) as number;
  }

  /**
   * Compares what a control plane has with what was acknowledged and refused.
   *
   * @returns what is wrong
   */
  async verify(client: ControlPlaneClient): Promise<string[]> {
    const { services } = await client.call<ListResponse>('List', {});
    const found = new Map(services.map(({ key, document }) => [key, weightOf(fromStruct(document))]));
    const problems = [...this.services].flatMap(([name, written]) =>
      this.judge(name, written, found.get(name.replace(/(.*)\.(.*)/, '$2/$1'))),
    );
    return [...problems, ...(await this.verifyHistory(client))];
  }

  private judge(name: string, written: Written, weight: number | undefined): string[] {
    const { acknowledged, unknown, refused } = written;
    const isRefused = weight !== undefined && refused.has(weight);
    if (isRefused) this.counts.madeAlthoughRefused++;
    if (weight === acknowledged || (weight !== undefined && unknown.has(weight))) return [];
    if (!isRefused) this.counts.lost++;
    return [
      `${name} is ${weight}, acknowledged was ${acknowledged}${isRefused ? ', and that was refused' : ''}`,
    ];
  }

  /** Every acknowledged write, overwritten ones too, is in the history as far as that is kept. */
  private async verifyHistory(client: ControlPlaneClient): Promise<string[]> {
    const { entries } = await client.call<HistoryResponse>('History', {
      name: '',
      limit: 0,
      documents: false,
    });
    const keys = new Map(entries.map(({ revision, key }) => [revision, key]));
    const oldest = entries.at(-1)?.revision ?? 0;
    const missing = [...this.revisions].filter(
      ([revision, name]) => revision >= oldest && keys.get(revision) !== name.replace(/(.*)\.(.*)/, '$2/$1'),
    );
    this.counts.lost += missing.length;
    for (const [revision] of missing) this.revisions.delete(revision);
    return missing.map(([revision, name]) => `the history lacks revision ${revision} of ${name}`);
  }

  private async work(): Promise<void> {
    while (this.running) {
      await this.write();
      await wait(PAUSE_MS);
    }
  }

  private async write(): Promise<void> {
    const names = [...this.services.keys()];
    const name = names[this.random.below(names.length)] as string;
    const written = this.services.get(name) as Written;
    const weight = this.next++;
    const split = [
      { version: 'v1', weight },
      { version: 'v2', weight: 1 },
    ];
    try {
      const { revision } = await this.client.call<ChangeResponse>('Split', { name, split });
      this.counts.acknowledged++;
      written.acknowledged = weight;
      written.unknown.clear();
      this.revisions.set(revision, name);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      const isUnknown = error.exitCode === EXIT.unknown;
      this.counts[isUnknown ? 'unknown' : 'refused']++;
      written[isUnknown ? 'unknown' : 'refused'].add(weight);
    }
  }
}

function weightOf(document: Record<string, unknown>): number | undefined {
  return (document as unknown as MeshServiceInput).spec.routes?.[0]?.split?.[0]?.weight;
}
