import type { Placement } from '../../src/routing/decide.js';

/** Sessions that a change would move, from one release to another. */
export interface Move {
  readonly from: string;
  readonly to: string;
  /** Of all sessions on the route, 0 to 1. */
  readonly share: number;
}

export interface PinFate {
  readonly release: string;
  readonly endpoint: string;
  /** Of the pins on this endpoint, the share that would move. */
  readonly moved: number;
}

/** What becomes of sessions, as shares of all. */
export interface Outcome {
  readonly moves: readonly Move[];
  /** Would be answered by another release. */
  readonly movedRelease: number;
  /** Would be answered by another pod, those that change release included; 0 where pods do not stick. */
  readonly movedEndpoint: number;
  /** Would not be answered by any pod. */
  readonly lost: number;
  /** Live pins by release and endpoint that lead elsewhere afterwards, as shares of those that do now. */
  readonly pins: readonly PinFate[];
}

/** Adds up what happens to each piece of the session space. */
export class Tally {
  private readonly moves = new Map<string, Move>();
  private readonly pins = new Map<
    string,
    { release: string; endpoint: string; all: number; moved: number }
  >();
  private release = 0;
  private endpoint = 0;
  private lost = 0;

  /** @param sticks what sessions stay with now, and would rather not leave */
  constructor(private readonly sticks: { readonly release: boolean; readonly endpoint: boolean }) {}

  add(share: number, was: Placement | undefined, is: Placement | undefined): void {
    if (was === undefined) return;
    const [from, address] = [was.release.name, was.endpoint.address];
    if (is === undefined) {
      this.lost += share;
      this.countPin(from, address, share, share);
      return;
    }
    const to = is.release.name;
    const leavesPod = share * (1 - chanceOfSamePod(was, is));
    // A pod that changes its release takes its sessions along: they stay where they are, under another name.
    const leavesRelease = from === to || address === is.endpoint.address ? 0 : share;
    if (leavesRelease > 0 && !this.sticks.release) return;
    if (leavesRelease > 0) this.countMove(from, to, share);
    if (this.sticks.endpoint) this.endpoint += leavesPod;
    this.countPin(from, address, share, this.sticks.endpoint ? leavesPod : leavesRelease);
  }

  result(): Outcome {
    return {
      moves: [...this.moves.values()].sort((a, b) => b.share - a.share),
      movedRelease: this.release,
      movedEndpoint: this.endpoint,
      lost: this.lost,
      pins: [...this.pins.values()].map(({ release, endpoint, all, moved }) => ({
        release,
        endpoint,
        moved: moved / all,
      })),
    };
  }

  private countMove(from: string, to: string, share: number): void {
    this.release += share;
    const key = `${from}\n${to}`;
    this.moves.set(key, { from, to, share: (this.moves.get(key)?.share ?? 0) + share });
  }

  private countPin(release: string, endpoint: string, share: number, moved: number): void {
    const entry = this.pins.get(endpoint) ?? { release, endpoint, all: 0, moved: 0 };
    entry.all += share;
    entry.moved += moved;
    this.pins.set(endpoint, entry);
  }
}

/** Where a load balancer decides, each pod in proportion to its weight, whoever it was before. */
function chanceOfSamePod(was: Placement, { release, endpoint, endpointReason }: Placement): number {
  if (endpointReason !== 'load-balancer') return was.endpoint.address === endpoint.address ? 1 : 0;
  const { endpoints } = release.cluster.endpoints;
  const same = endpoints.find(({ address }) => address === was.endpoint.address);
  return (same?.weight ?? 0) / endpoints.reduce((sum, { weight }) => sum + weight, 0);
}
