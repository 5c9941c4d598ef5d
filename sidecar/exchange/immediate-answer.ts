import type { DownstreamUser } from '../http/downstream-stream.js';

/** Answers a request as soon as its head is there, from what the head says alone. */
export class ImmediateAnswer implements DownstreamUser {
  /** @param answer writes the whole response and ends it */
  constructor(private readonly answer: () => void) {}

  onRequestHead(): void {
    this.answer();
  }

  onRequestBody(): void {}
  onRequestEnd(): void {}
  onDownstreamTurnEnd(): void {}
  onDownstreamDrain(): void {}
  onDownstreamGone(): void {}
  onClientTunnelData(): void {}
  onClientTunnelEnd(): void {}
  checkDeadlines(): void {}
}
