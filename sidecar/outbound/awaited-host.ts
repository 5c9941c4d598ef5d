import type { LocalReply } from '../../src/http/error-catalogue.js';
import type { Field } from '../../src/http/field-line.js';
import type { DownstreamUser } from '../http/downstream-stream.js';
import type { DownstreamConnection } from '../http1/downstream-connection.js';
import type { HostLookup } from './host-lookup.js';

export interface AwaitedHostOptions {
  readonly lookup: HostLookup;
  /** What serves the request once all is known of its host that will be. */
  decide(): DownstreamUser;
  refuse(reply: LocalReply): DownstreamUser;
  nowMs(): number;
}

/** A CONNECT to a host that is not in the table: what becomes of it is decided when more is known of the host. */
export class AwaitedHost implements DownstreamUser {
  private user: DownstreamUser | undefined;
  private untilMs = 0;

  constructor(
    private readonly connection: DownstreamConnection,
    private readonly options: AwaitedHostOptions,
  ) {}

  onRequestHead(): void {
    const { lookup, decide, refuse, nowMs } = this.options;
    const step = lookup.step(this.connection.request.authority, () => this.goOn(decide()));
    if (step === undefined) this.goOn(decide());
    else if ('reply' in step) this.goOn(refuse(step.reply));
    else this.untilMs = nowMs() + step.waitMs;
  }

  checkDeadlines(nowMs: number): void {
    if (this.user !== undefined) this.user.checkDeadlines(nowMs);
    else if (nowMs >= this.untilMs) this.onRequestHead();
  }

  onDownstreamGone(by?: 'client' | 'sidecar'): void {
    this.options.lookup.end();
    this.user?.onDownstreamGone(by);
  }

  onRequestBody(piece: Buffer, start: number, end: number): void {
    this.user?.onRequestBody(piece, start, end);
  }

  onRequestEnd(trailers: readonly Field[]): void {
    this.user?.onRequestEnd(trailers);
  }

  onDownstreamTurnEnd(): void {
    this.user?.onDownstreamTurnEnd();
  }

  onDownstreamDrain(): void {
    this.user?.onDownstreamDrain();
  }

  onClientTunnelData(piece: Buffer): void {
    this.user?.onClientTunnelData(piece);
  }

  onClientTunnelEnd(): void {
    this.user?.onClientTunnelEnd();
  }

  private goOn(user: DownstreamUser): void {
    this.options.lookup.end();
    this.user = user;
    user.onRequestHead();
    this.connection.writer.flush();
  }
}
