import {
  type Endpoint,
  EndpointSet,
  PINNED_ONLY,
  UNUSABLE,
  USABLE,
  type Usability,
} from '../../../src/routing/endpoint-set.js';
import { decodeCluster } from '../../../src/xds/cluster.js';
import { codec } from '../../../src/xds/descriptors.js';
import { decodeAssignment } from '../../../src/xds/endpoint.js';
import { messages } from '../../../src/xds/fields.js';
import { messageNameOf } from '../../../src/xds/resource-types.js';
import type { Pod, Pods } from '../world/pods.js';

/** A cluster's endpoints as one sidecar sees them; sidecars that see the same share one. Immutable. */
export interface View {
  /** Counts all views. */
  readonly id: number;
  readonly version: ClusterVersion;
  readonly set: EndpointSet;
  /** Usability of each of the version's pods. */
  readonly states: readonly Usability[];
  readonly usableCount: number;
}

/** One version of a cluster and its assignment, decoded once for the whole fleet. */
export class ClusterVersion {
  /** In the order of the endpoint set. */
  readonly pods: readonly Pod[];
  private readonly base: EndpointSet;
  private readonly draining: readonly boolean[];
  private readonly byStates = new Map<string, View>();
  private readonly healthy: View;

  /** @param nextId numbers the views */
  constructor(
    cluster: Buffer,
    assignment: Buffer,
    pods: Pods,
    private readonly nextId: () => number,
  ) {
    const { loadBalancer } = decodeCluster(cluster);
    const { endpoints } = decodeAssignment(assignment);
    this.pods = endpoints.map(({ address }) => pods.at(address));
    this.draining = endpoints.map(({ status }) => status === 'draining');
    const idle = endpoints.map((endpoint): Endpoint => ({ ...endpoint, activeRequests: 0 }));
    this.base = EndpointSet.of(idle, loadBalancer, () => USABLE);
    this.healthy = this.view(() => false);
  }

  /** What a sidecar sees that finds some pods unreachable. */
  view(isUnreachable: (pod: Pod) => boolean, anyUnreachable = true): View {
    if (!anyUnreachable) return this.healthy;
    const states = this.pods.map((pod, i): Usability => {
      if (isUnreachable(pod)) return UNUSABLE;
      return this.draining[i] ? PINNED_ONLY : USABLE;
    });
    const key = states.join('');
    let view = this.byStates.get(key);
    if (view === undefined) {
      const byAddress = new Map(this.pods.map(({ address }, i) => [address, states[i] as Usability]));
      const set = this.base.withUsability(({ address }) => byAddress.get(address) ?? UNUSABLE);
      view = { id: this.nextId(), version: this, set, states, usableCount: set.usableCount };
      this.byStates.set(key, view);
    }
    return view;
  }
}

/** The assignment with the status that xDS has for pods on their way out, and our model has not. */
export function withDraining(assignment: Buffer, draining: ReadonlySet<string>): Buffer {
  const { decode, encode } = codec(messageNameOf('endpoint'));
  const message = decode(assignment);
  const localities = messages(message.endpoints).map((locality) => ({
    ...locality,
    lbEndpoints: messages(locality.lbEndpoints).map((endpoint) =>
      draining.has(addressIn(endpoint)) ? { ...endpoint, healthStatus: 'DRAINING' } : endpoint,
    ),
  }));
  return encode({ ...message, endpoints: localities });
}

interface LbEndpointMessage {
  readonly endpoint?: {
    readonly address?: { readonly socketAddress?: { readonly address: string; readonly portValue: number } };
  };
}

function addressIn(endpoint: object): string {
  const socket = (endpoint as LbEndpointMessage).endpoint?.address?.socketAddress;
  return socket === undefined ? '' : `${socket.address}:${socket.portValue}`;
}
