import type { Field } from '../../src/http/field-line.js';
import { pickEndpoint } from '../../src/routing/pick-endpoint.js';
import type { Cluster } from '../../src/routing/release.js';
import { upstreamOf } from '../cluster/cluster-view.js';
import type { UpstreamEndpoint } from '../cluster/upstream-endpoint.js';
import type { ReplayBuffer } from '../exchange/replay-buffer.js';
import type { RequestEdits, RequestMessage, ResponseMessage } from '../http/message.js';
import type { UpstreamStream, UpstreamUser } from '../http/upstream-stream.js';

/** Where the route sets no limit. */
const DEFAULT_TIMEOUT_MS = 15_000;

/** What became of a copy. */
export type CopyResult = 'mirrored' | 'mirror-failed' | 'mirror-skipped';

/** A whole request, to be sent where nobody waits for the answer. */
export interface Copy {
  readonly cluster: Cluster;
  /** Written out, as its body and trailers are, before {@link Mirrors.send} returns, and not kept. */
  readonly request: RequestMessage;
  readonly edits: RequestEdits;
  /** Intact. */
  readonly body: ReplayBuffer;
  readonly trailers: readonly Field[];
  /** 0: the default. */
  readonly timeoutMs: number;
  /** Called once. */
  onResult(result: CopyResult): void;
}

/**
 * Copies of requests that are under way. They use the connections that requests use, but share nothing with the
 * request that they are copies of: no deadline, no back-pressure, no failure.
 */
export class Mirrors {
  private readonly underWay = new Set<MirroredRequest>();

  constructor(
    private readonly nowMs: () => number,
    private readonly random: () => number,
  ) {}

  send(copy: Copy): void {
    const { cluster } = copy;
    const picked = pickEndpoint(cluster.endpoints, undefined, [], this.random);
    const endpoint = picked && upstreamOf(picked);
    if (!endpoint?.load.takeCopy()) {
      copy.onResult('mirror-skipped');
      return;
    }
    const mirrored = new MirroredRequest(copy, endpoint, this.nowMs(), (finished) => {
      this.underWay.delete(finished);
      endpoint.load.giveBackCopy();
    });
    this.underWay.add(mirrored);
    mirrored.start();
  }

  checkDeadlines(nowMs: number): void {
    for (const request of this.underWay) request.checkDeadlines(nowMs);
  }

  /** Gives up whatever is under way. */
  close(): void {
    for (const request of this.underWay) request.giveUp('closed');
  }
}

/** One copy on its way, and the answer that nobody reads. */
class MirroredRequest implements UpstreamUser {
  private stream: UpstreamStream | undefined;
  private readonly deadlineMs: number;
  /** 0: connected. */
  private connectDeadlineMs: number;

  constructor(
    private readonly copy: Copy,
    private readonly endpoint: UpstreamEndpoint,
    nowMs: number,
    private readonly onFinished: (mirrored: MirroredRequest) => void,
  ) {
    this.deadlineMs = nowMs + (copy.timeoutMs || DEFAULT_TIMEOUT_MS);
    this.connectDeadlineMs = nowMs + endpoint.connectTimeoutMs;
  }

  start(): void {
    const { endpoint, copy } = this;
    const stream = endpoint.acquire(this, false);
    if (typeof stream === 'string') {
      this.tell('mirror-skipped');
      return;
    }
    this.stream = stream;
    if (stream.isConnected) this.connectDeadlineMs = 0;
    stream.sendHead(copy.request, copy.edits);
    copy.body.writeTo(stream);
    stream.end(copy.trailers);
    stream.flush();
  }

  checkDeadlines(nowMs: number): void {
    if (this.connectDeadlineMs !== 0 && nowMs >= this.connectDeadlineMs)
      this.stream?.abort('connect', 'no connection in time');
    else if (nowMs >= this.deadlineMs) this.giveUp('no response in time');
  }

  giveUp(reason: string): void {
    this.stream?.abort('timeout', reason);
  }

  onUpstreamConnected(): void {
    this.connectDeadlineMs = 0;
  }

  onInterimResponse(): void {}

  onResponseHead(head: ResponseMessage): 'content' {
    if (head.status === 101) this.stream?.abort('bad-response', 'it switched protocols unasked');
    return 'content';
  }

  onResponseBody(): void {}

  onResponseEnd(): void {
    this.finish('mirrored');
  }

  onUpstreamFailure(): void {
    this.finish('mirror-failed');
  }

  private finish(result: CopyResult): void {
    this.stream = undefined;
    this.tell(result);
  }

  private tell(result: CopyResult): void {
    this.onFinished(this);
    this.copy.onResult(result);
  }

  onUpstreamTurnEnd(): void {}
  onUpstreamDrain(): void {}
  onUpstreamTunnelData(): void {}
  onUpstreamTunnelEnd(): void {}
  onUpstreamTunnelClosed(): void {}
}
