import type { ClientSocket } from './client-socket.js';
import { findEnds, readSocketTable } from './socket-table.js';

/** How soon a client that leaves is noticed, at best. */
const LOOK_MS = 500;
/** Looking holds other requests up; it must not take more than one part in so many of the time. */
const SHARE = 20;

/**
 * Finds out which clients have left with a request under way. What arrives does not tell: a client that closes its
 * connection sends the same FIN as one that has nothing more to send and waits for its answer, and of one that is not
 * read, because its upstream takes nothing or it has sent ahead, not even that is seen. The kernel can tell where the
 * client is on the same machine, as the app that a sidecar is for always is; of others it tells at least that.
 */
export class LeftClients {
  private nextMs = 0;
  private looking = false;
  /** Not in the table the last time. It is not read in one go, and one that is there can be missed. */
  private missed = new WeakSet<ClientSocket>();

  constructor(
    private readonly connections: Iterable<ClientSocket>,
    private readonly readTable: () => Promise<string | undefined> = readSocketTable,
  ) {}

  /** Called on the coarse clock's tick. */
  tick(nowMs: number): void {
    if (this.looking || nowMs < this.nextMs) return;
    this.nextMs = nowMs + LOOK_MS;
    const doubtful = [...this.connections].filter((connection) => connection.handler.mayHaveLostClient);
    if (doubtful.length > 0) void this.look(doubtful, nowMs);
  }

  private async look(doubtful: readonly ClientSocket[], nowMs: number): Promise<void> {
    this.looking = true;
    const table = await this.readTable();
    const begun = performance.now();
    if (table !== undefined) this.judge(table, doubtful);
    this.nextMs = nowMs + Math.max(LOOK_MS, (performance.now() - begun) * SHARE);
    this.looking = false;
  }

  private judge(table: string, doubtful: readonly ClientSocket[]): void {
    const connected = doubtful.flatMap((connection) => {
      const { socketPair } = connection;
      return socketPair === undefined ? [] : [{ connection, socketPair }];
    });
    const ends = findEnds(
      table,
      connected.map(({ socketPair }) => socketPair),
    );
    const missed = new WeakSet<ClientSocket>();
    connected.forEach(({ connection }, i) => {
      const { own = 'connected', peer = 'elsewhere' } = ends[i] ?? {};
      if (peer === 'closed' || (own === 'absent' && this.missed.has(connection)))
        connection.handler.onClientLeft();
      else if (own === 'absent') missed.add(connection);
      else if (own === 'peer-ended') connection.handler.onClientEndFound(peer === 'open');
    });
    this.missed = missed;
  }
}
