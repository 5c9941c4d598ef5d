import type { Random } from '../../bench/simulate/random.js';
import type { ControlPlaneClient } from '../../src/cli/client.js';
import type { SocketAddress } from '../../src/model/formats.js';
import { Operator, type WriteReport } from './operator.js';

/** One who knows every control plane asks for long; one who knows a single one gives up sooner. */
const RESOLVE_MS = { all: 8000, one: 2000 } as const;

/** Several operators who write at the same time: one who knows all control planes, and one for each of several. */
export class Operators {
  private readonly all: readonly Operator[];

  /** @param names services to write to; each has one writer */
  constructor(addresses: readonly SocketAddress[], names: readonly string[], random: Random) {
    const knowledge = [addresses, ...(addresses.length > 1 ? addresses.map((address) => [address]) : [])];
    this.all = knowledge.map((known, i) => {
      const own = names.filter((_, index) => index % knowledge.length === i);
      return new Operator(known, own, random, i === 0 ? RESOLVE_MS.all : RESOLVE_MS.one);
    });
  }

  get report(): WriteReport {
    return this.all.map(({ report }) => report).reduce(addReports);
  }

  start(): void {
    for (const operator of this.all) operator.start();
  }

  /** Resolves when nothing is under way. */
  async pause(): Promise<void> {
    await Promise.all(this.all.map((operator) => operator.pause()));
  }

  close(): void {
    for (const operator of this.all) operator.close();
  }

  /** A write that must succeed. @returns its revision */
  writeNow(): Promise<number> {
    return (this.all[0] as Operator).writeNow();
  }

  /** What of everything that was acknowledged or refused a control plane has not as it must. */
  async verify(client: ControlPlaneClient): Promise<string[]> {
    return (await Promise.all(this.all.map((operator) => operator.verify(client)))).flat();
  }
}

function addReports(a: WriteReport, b: WriteReport): WriteReport {
  return {
    acknowledged: a.acknowledged + b.acknowledged,
    refused: a.refused + b.refused,
    unknown: a.unknown + b.unknown,
    lost: a.lost + b.lost,
    madeAlthoughRefused: a.madeAlthoughRefused + b.madeAlthoughRefused,
  };
}
