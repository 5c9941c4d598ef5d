import type { SocketAddress } from '../../src/model/formats.js';
import type { DrainedListener } from '../assembly/drain.js';
import type { Direction, Listener, ListenerFigures } from '../net/listener.js';
import type { WorkerTeam } from './worker-team.js';

/** The listeners of all workers on one address: counts are sums, orders are everybody's. */
export class TeamListener implements DrainedListener {
  constructor(
    private readonly own: Listener,
    private readonly team: WorkerTeam,
    private readonly direction: Direction,
    private readonly bind: (own: Listener, address: SocketAddress, direction: Direction) => Promise<string>,
  ) {}

  async figures(): Promise<ListenerFigures> {
    const others = await this.team.ask('figures', this.direction);
    return others.reduce(added, this.own.figures());
  }

  async announceEnd(): Promise<void> {
    this.own.announceEnd();
    await this.team.ask('announceEnd', this.direction);
  }

  async refuse(): Promise<void> {
    await Promise.all([this.own.refuse(), this.team.ask('refuse', this.direction)]);
  }

  async endIdle(): Promise<void> {
    this.own.endIdle();
    await this.team.ask('endIdle', this.direction);
  }

  async serveAgain(): Promise<void> {
    const { lost } = this.own;
    if (lost !== undefined) await this.bind(this.own, lost, this.direction);
    this.own.continue();
    await this.team.ask('continue', this.direction);
  }
}

function added(a: ListenerFigures, b: ListenerFigures): ListenerFigures {
  return {
    accepted: a.accepted + b.accepted,
    requests: a.requests + b.requests,
    connections: a.connections + b.connections,
    busy: a.busy + b.busy,
  };
}
