import type { Test } from 'tap';
import { CaseWorld } from './case-world.js';
import { type Family, scrape, sumOf } from './exposition.js';
import { type FastAnswer, FastCaller, type FastRequest } from './fast-traffic.js';
import type { StartedSidecar } from './processes.js';

export const WORKERS = 4;
const CONNECTIONS = 48;

/** A control plane and one sidecar with four workers, called over so many connections that each worker has some. */
export class WorkerWorld {
  private readonly callers: readonly FastCaller[];
  private turn = 0;

  private constructor(
    t: Test,
    readonly cases: CaseWorld,
    readonly sidecar: StartedSidecar,
  ) {
    this.callers = Array.from({ length: CONNECTIONS }, () => new FastCaller(t, sidecar.outbound, 1));
  }

  static async start(t: Test, flags: readonly string[] = []): Promise<WorkerWorld> {
    const cases = await CaseWorld.start(t, 1, ['--workers', String(WORKERS), ...flags]);
    return new WorkerWorld(t, cases, cases.sidecars[0] as StartedSidecar);
  }

  /** Over the next connection, whoever called last: what one session asks comes to all workers in turn. */
  one(request: FastRequest): Promise<FastAnswer> {
    this.turn = (this.turn + 1) % CONNECTIONS;
    return (this.callers[this.turn] as FastCaller).one(request);
  }

  all(requests: readonly FastRequest[]): Promise<FastAnswer[]> {
    return Promise.all(requests.map((request) => this.one(request)));
  }

  metrics(): Promise<Map<string, Family>> {
    return scrape(this.sidecar.admin);
  }

  /** Requests that each worker has carried. */
  async requestsByWorker(): Promise<number[]> {
    const family = (await this.metrics()).get('roost_worker_requests_total');
    return Array.from({ length: WORKERS }, (_, i) => sumOf(family, { worker: String(i + 1) }));
  }
}
