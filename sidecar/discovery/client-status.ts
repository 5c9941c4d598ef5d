import { toTimestamp } from '../../src/xds/client-status-service.js';
import type { NameChanges } from '../../src/xds/referenced-names.js';
import { type ResourceKind, TYPE_URL } from '../../src/xds/resource-types.js';
import type { ReceivedResource, RefusedResource } from './response-entries.js';

/** As `envoy.admin.v3.ClientResourceStatus` has it. */
type Status = 'REQUESTED' | 'DOES_NOT_EXIST' | 'ACKED' | 'NACKED';

interface ResourceState {
  status: Status;
  /** Of the version that was accepted last. */
  version: string;
  updatedAtMs: number;
  error: { readonly reason: string; readonly version: string; readonly atMs: number } | undefined;
}

const WILDCARD = '*';

/**
 * What this client has asked for, has accepted and has refused, resource by resource: what CSDS
 * (`envoy.service.status.v3`) shows of a client.
 */
export class ClientStatus {
  private readonly kinds = new Map<ResourceKind, Map<string, ResourceState>>();
  private readonly explicit = new Map<ResourceKind, Set<string>>();

  /** @param nowMs milliseconds since the epoch */
  constructor(private readonly nowMs: () => number) {}

  /** The names that are wanted have changed; what is not wanted any more is forgotten. */
  wanted(kind: ResourceKind, { added, dropped }: NameChanges): void {
    const explicit = this.explicit.get(kind) ?? new Set();
    this.explicit.set(kind, explicit);
    for (const name of added) {
      explicit.add(name);
      if (name !== WILDCARD) this.stateOf(kind, name);
    }
    for (const name of dropped) {
      explicit.delete(name);
      if (!explicit.has(WILDCARD)) this.statesOf(kind).delete(name);
    }
  }

  received(
    kind: ResourceKind,
    resources: readonly ReceivedResource[],
    removed: readonly string[],
    refused: readonly RefusedResource[],
  ): void {
    const atMs = this.nowMs();
    const bad = new Set(refused.map(({ name }) => name));
    const versions = new Map(resources.map(({ name, version }) => [name, version]));
    for (const [name, version] of versions) {
      const state = this.stateOf(kind, name);
      state.updatedAtMs = atMs;
      state.status = 'ACKED';
      state.error = undefined;
      if (!bad.has(name)) state.version = version;
    }
    for (const { name, reason } of refused) {
      const state = this.stateOf(kind, name);
      state.updatedAtMs = atMs;
      state.status = 'NACKED';
      state.error = { reason, version: versions.get(name) ?? '', atMs };
    }
    for (const name of removed) this.removed(kind, name, atMs);
  }

  /** The server has been silent about these for too long. Of what it has sent and was refused that is known. */
  gaveUp(kind: ResourceKind, names: readonly string[]): void {
    for (const name of names)
      if (this.statesOf(kind).get(name)?.status !== 'NACKED') this.removed(kind, name, this.nowMs());
  }

  /** What was asked for by name is missed; what only a wildcard covered is no more. */
  private removed(kind: ResourceKind, name: string, updatedAtMs: number): void {
    const states = this.statesOf(kind);
    if (this.explicit.get(kind)?.has(name))
      states.set(name, { status: 'DOES_NOT_EXIST', version: '', updatedAtMs, error: undefined });
    else states.delete(name);
  }

  /** `generic_xds_configs` of an `envoy.service.status.v3.ClientConfig`, in protobuf's JSON form. */
  list(): object[] {
    return this.configs((ms) => new Date(ms).toISOString());
  }

  /** The same, to be encoded. The resources' contents are not kept, and not told. */
  messages(): object[] {
    return this.configs(toTimestamp);
  }

  private configs(time: (ms: number) => unknown): object[] {
    return [...this.kinds].flatMap(([kind, states]) =>
      [...states].map(([name, { status, version, updatedAtMs, error }]) => ({
        typeUrl: TYPE_URL[kind],
        name,
        ...(version === '' ? {} : { versionInfo: version }),
        ...(updatedAtMs === 0 ? {} : { lastUpdated: time(updatedAtMs) }),
        clientStatus: status,
        ...(error === undefined
          ? {}
          : {
              errorState: {
                details: error.reason,
                versionInfo: error.version,
                lastUpdateAttempt: time(error.atMs),
              },
            }),
      })),
    );
  }

  private statesOf(kind: ResourceKind): Map<string, ResourceState> {
    let states = this.kinds.get(kind);
    if (states === undefined) {
      states = new Map();
      this.kinds.set(kind, states);
    }
    return states;
  }

  private stateOf(kind: ResourceKind, name: string): ResourceState {
    const states = this.statesOf(kind);
    let state = states.get(name);
    if (state === undefined) {
      state = { status: 'REQUESTED', version: '', updatedAtMs: 0, error: undefined };
      states.set(name, state);
    }
    return state;
  }
}
