import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/**
 * Below the range from which Linux (32768 up) and macOS (49152 up) assign ports: between its release and its use, the
 * kernel gives a port from here neither to a listener on port 0 nor to an outgoing connection.
 */
const LOWEST = 20_000;
const HIGHEST = 32_000;
const ATTEMPTS = 1000;

/** A port of the loopback interface that is kept until a child is about to take it. */
export interface PortReservation {
  readonly port: number;
  readonly address: string;
  /** Lets go of the port, for the child that is started next. */
  release(): Promise<void>;
}

/** A port kept by listening on it. */
export class ReservedPort implements PortReservation {
  private constructor(
    private readonly holder: Server,
    readonly port: number,
  ) {}

  /** @throws Error where no port of the range is free */
  static async take(random: () => number = Math.random): Promise<ReservedPort> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const port = LOWEST + Math.floor(random() * (HIGHEST - LOWEST));
      const holder = createServer().unref();
      try {
        await once(holder.listen(port, '127.0.0.1'), 'listening');
        return new ReservedPort(holder, port);
      } catch {
        // Another process has this port: try the next one.
      }
    }
    throw new Error(`no port between ${LOWEST} and ${HIGHEST} is free`);
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async release(): Promise<void> {
    if (!this.holder.listening) return;
    this.holder.close();
    await once(this.holder, 'close');
  }
}
