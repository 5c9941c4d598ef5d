import type { NameChanges } from '../../src/xds/referenced-names.js';
import { WILDCARD } from './held-resources.js';
import type { OnDemand, OnDemandLimits } from './on-demand.js';

/** What a sidecar's app calls, so that it is not sent the whole mesh. */
export interface Dependencies {
  /** Hosts as callers write them, in lower case. */
  readonly names: readonly string[];
  /** Whether other hosts are asked for when they are called first. */
  readonly onDemand: OnDemandLimits | undefined;
}

export interface ListenerDemandOptions {
  /** What this sidecar's app calls; undefined: whatever there is. */
  readonly dependencies: Dependencies | undefined;
  /** The listener of this sidecar's own service, which is always asked for. */
  readonly own: string;
  /** Undefined: hosts that are not named beforehand are not asked for. */
  readonly onDemand: OnDemand | undefined;
  subscribe(changes: NameChanges): void;
}

/** Which listeners this sidecar asks for, and whether the server has said all that there is to say of them. */
export class ListenerDemand {
  private readonly named: ReadonlySet<string>;
  /** Names without which the first configuration is not complete, and of which nothing has been heard. */
  private readonly awaited: Set<string>;

  constructor(private readonly options: ListenerDemandOptions) {
    const { dependencies, own } = options;
    this.named = new Set(dependencies === undefined ? [WILDCARD] : [own, ...dependencies.names]);
    this.awaited = new Set(this.named);
  }

  get onDemand(): OnDemand | undefined {
    return this.options.onDemand;
  }

  /** Everything that was named beforehand is here, or known not to be. */
  get isAnswered(): boolean {
    return this.awaited.size === 0;
  }

  start(): void {
    this.options.subscribe({ added: [...this.named], dropped: [] });
  }

  /** Goes on from listeners of an earlier life of this sidecar, and waits for no others. */
  resume(listeners: readonly string[]): void {
    this.awaited.clear();
    this.options.onDemand?.adopt(listeners.filter((name) => !this.named.has(name)));
  }

  wants(listener: string): boolean {
    return (
      this.named.has(WILDCARD) || this.named.has(listener) || this.options.onDemand?.has(listener) === true
    );
  }

  /** The server has said something about a listener. */
  onListener(name: string, isThere: boolean): void {
    this.awaited.delete(name);
    this.options.onDemand?.onListener(name, isThere);
  }

  /** A response with listeners has come. @param refused those of them that cannot be used */
  onResponse(refused: readonly string[]): void {
    this.awaited.delete(WILDCARD);
    // Apps that only call others need not be declared; servers of the state of the world say nothing of that.
    this.awaited.delete(this.options.own);
    for (const name of refused) this.awaited.delete(name);
  }

  onTable(find: (host: string) => boolean): void {
    this.options.onDemand?.onTable(find);
  }

  /** Called on the coarse clock's tick. */
  tick(nowMs: number): void {
    this.options.onDemand?.tick(nowMs);
  }
}
