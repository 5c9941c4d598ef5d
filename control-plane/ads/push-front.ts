/** A snapshot that clients have been told of, and the revision of its configuration. */
export interface Position {
  sequence: number;
  revision: number;
}

/**
 * How far clients are. Nearly all are at the front: they have been told of everything that concerns them up to there,
 * and share one position. A round of pushes first moves the front to the present snapshot. The clients that the
 * changes concern step aside before that, keep the old position as their own, and are visited; all others have moved
 * without a visit. A visited client comes back to the front when it has been told of everything.
 */
export class PushFront<Client> {
  private readonly at: Position = { sequence: 0, revision: 0 };
  private readonly elsewhere = new Set<Client>();

  get position(): Readonly<Position> {
    return this.at;
  }

  /** The clients that have a position of their own. A round visits all of them. */
  get apart(): ReadonlySet<Client> {
    return this.elsewhere;
  }

  /** All clients at the front have been told of a snapshot, or are not concerned by what led to it. */
  moveTo({ sequence, revision }: Readonly<Position>): void {
    this.at.sequence = sequence;
    this.at.revision = revision;
  }

  /** The client has left. */
  forget(client: Client): void {
    this.elsewhere.delete(client);
  }

  stepAside(client: Client): void {
    this.elsewhere.add(client);
  }

  comeBack(client: Client): void {
    this.elsewhere.delete(client);
  }
}

/** Positions of a client's own. Routes may be behind all else, see `AdsStream.mustHoldRoutes`. */
interface OwnPositions {
  readonly pushed: Position;
  readonly routes: Position;
}

/** Where one client is. */
export class ClientPosition<Client> {
  private own: OwnPositions | undefined;

  /** @param start the snapshot that its first answers are made from */
  constructor(
    private readonly front: PushFront<Client>,
    private readonly client: Client,
    start: Readonly<Position>,
  ) {
    if (start.sequence !== front.position.sequence) this.keep(start);
  }

  /** What it has been told of, routes aside. */
  get pushed(): Readonly<Position> {
    return this.own?.pushed ?? this.front.position;
  }

  /** What it has been told all of. */
  get routes(): Readonly<Position> {
    return this.own?.routes ?? this.front.position;
  }

  /** Positions that move without the front. */
  stepAside(): OwnPositions {
    return this.own ?? this.keep(this.front.position);
  }

  /** Gives up its own position where that is the front's. */
  comeBack(): void {
    if (this.own === undefined) return;
    const { sequence } = this.front.position;
    if (this.own.pushed.sequence !== sequence || this.own.routes.sequence !== sequence) return;
    this.own = undefined;
    this.front.comeBack(this.client);
  }

  private keep({ sequence, revision }: Readonly<Position>): OwnPositions {
    this.own = { pushed: { sequence, revision }, routes: { sequence, revision } };
    this.front.stepAside(this.client);
    return this.own;
  }
}
