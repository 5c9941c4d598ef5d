import type { Placement } from '../../src/routing/decide.js';
import type { EndpointSet } from '../../src/routing/endpoint-set.js';

/** Sessions that a change would move, from one release to another. */
export interface Move {
  readonly from: string;
  readonly to: string;
  /** Of all sessions on the route, 0 to 1. */
  readonly share: number;
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
}

/** Adds up what happens to each piece of the session space, or to each live session. */
export class Tally {
  private readonly moves = new Map<string, Move>();
  private all = 0;
  private release = 0;
  private endpoint = 0;
  private lost = 0;
  private elsewhere = 0;

  /** @param sticks what sessions stay with now, and would rather not leave */
  constructor(private readonly sticks: { readonly release: boolean; readonly endpoint: boolean }) {}

  /** @param weight of the session, in whatever unit the others have */
  add(weight: number, was: Placement | undefined, is: Placement | undefined): void {
    this.all += weight;
    if (was === undefined) return;
    if (is === undefined) {
      this.lost += weight;
      return;
    }
    const [from, to] = [was.release.name, is.release.name];
    const leavesPod = weight * (1 - chanceOfSamePod(was, is));
    // A pod that changes its release takes its sessions along: they stay where they are, under another name.
    const leavesRelease = from !== to && was.endpoint.address !== is.endpoint.address;
    if (leavesRelease && !this.sticks.release) return;
    if (leavesRelease) this.countMove(from, to, weight);
    if (this.sticks.endpoint) this.endpoint += leavesPod;
    this.elsewhere += this.sticks.endpoint ? leavesPod : leavesRelease ? weight : 0;
  }

  /** Of what was added, as much as would be answered elsewhere or by no pod, in the unit of the weights. */
  get moved(): number {
    return this.elsewhere + this.lost;
  }

  result(): Outcome {
    const share = (weight: number) => (this.all === 0 ? 0 : weight / this.all);
    const moves = [...this.moves.values()].map((move) => ({ ...move, share: share(move.share) }));
    return {
      moves: moves.sort((a, b) => b.share - a.share),
      movedRelease: share(this.release),
      movedEndpoint: share(this.endpoint),
      lost: share(this.lost),
    };
  }

  private countMove(from: string, to: string, weight: number): void {
    this.release += weight;
    const key = `${from}\n${to}`;
    this.moves.set(key, { from, to, share: (this.moves.get(key)?.share ?? 0) + weight });
  }
}

/** Where a load balancer decides, each pod in proportion to its weight, wherever the session was before. */
function chanceOfSamePod(was: Placement, { release, endpoint, endpointReason }: Placement): number {
  if (endpointReason !== 'load-balancer') return was.endpoint.address === endpoint.address ? 1 : 0;
  const { endpoints } = release.cluster;
  const same = endpoints.findByAddress(was.endpoint.address);
  return same === -1 ? 0 : endpoints.at(same).weight / totalWeight(endpoints);
}

const totals = new WeakMap<EndpointSet, number>();

function totalWeight(set: EndpointSet): number {
  const known = totals.get(set);
  if (known !== undefined) return known;
  const total = set.endpoints.reduce((sum, { weight }) => sum + weight, 0);
  totals.set(set, total);
  return total;
}
