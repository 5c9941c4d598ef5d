import { type ClusterSettings, LiveCluster } from './live-cluster.js';
import type { EndpointCondition, UpstreamEndpoint } from './upstream-endpoint.js';

/** What a worker has seen of an endpoint, for the main thread to judge. */
export interface Sighting {
  readonly cluster: string;
  /** Empty: of the cluster as a whole. */
  readonly address: string;
  readonly what: 'unreachable' | 'app-refuses' | 'reached' | 'leaving' | 'errors' | 'used';
  /** In a row, in all workers. */
  readonly errors: number;
}

/** An endpoint that goes on saying that it is about to stop is reported this often. */
const LEAVING_AGAIN_MS = 1000;

const NO_LOG = { info() {}, warn() {} };

/**
 * A cluster as a worker has it: what happens here is told to the main thread, and an endpoint's condition changes here
 * when it changes there, in all workers with the same step of the configuration.
 */
export class WorkerCluster extends LiveCluster {
  private readonly leavingToldMs = new WeakMap<UpstreamEndpoint, number>();

  constructor(
    name: string,
    settings: ClusterSettings,
    private readonly report: (sighting: Sighting) => void,
    onAwake: (cluster: LiveCluster) => void,
  ) {
    super(name, settings, NO_LOG, onAwake);
  }

  /** Of this thread's own: the others look after theirs. */
  override get isAtRest(): boolean {
    return this.load.total === 0 && !this.isRamping;
  }

  /** The main thread has found something out. */
  setCondition(address: string, condition: EndpointCondition): void {
    const endpoint = this.find(address);
    if (endpoint === undefined) return;
    endpoint.condition = condition;
    this.onHealthChanged(endpoint);
  }

  protected override onFirstUse(): void {
    super.onFirstUse();
    this.report({ cluster: this.name, address: '', what: 'used', errors: 0 });
  }

  override onUnreachable(endpoint: UpstreamEndpoint): void {
    this.tell(endpoint, endpoint.appRefuses ? 'app-refuses' : 'unreachable');
  }

  override onReached(endpoint: UpstreamEndpoint): void {
    this.tell(endpoint, 'reached');
  }

  override onLeaving(endpoint: UpstreamEndpoint): void {
    const nowMs = this.settings.nowMs();
    const toldMs = this.leavingToldMs.get(endpoint) ?? Number.NEGATIVE_INFINITY;
    if (nowMs - toldMs < LEAVING_AGAIN_MS) return;
    this.leavingToldMs.set(endpoint, nowMs);
    this.tell(endpoint, 'leaving');
  }

  /** Told once for every so many, as the main thread may have a reason not to eject. */
  override onError(endpoint: UpstreamEndpoint): void {
    const errors = endpoint.outlier.answers.failed();
    if (errors % this.outliers.errorsToEject === 0) this.tell(endpoint, 'errors', errors);
  }

  override tick(nowMs: number): void {
    this.ramp(nowMs);
  }

  protected override keepSomebody(): void {}

  /** Of one that the configuration has dropped, nobody needs to know; another may have its address by now. */
  private tell({ address, isRetired }: UpstreamEndpoint, what: Sighting['what'], errors = 0): void {
    if (!isRetired) this.report({ cluster: this.name, address, what, errors });
  }
}
