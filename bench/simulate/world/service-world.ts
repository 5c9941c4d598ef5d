import { birthsOf, incarnationOf, type ServiceRecord } from '../../../control-plane/store/config-state.js';
import {
  type MeshService,
  type MeshServiceInput,
  parseMeshService,
} from '../../../src/model/mesh-service.js';
import type { Random } from '../random.js';
import type { Pod, Pods } from './pods.js';
import { affinityOf, LABEL_HEADER, LABELS, type Traits } from './traits.js';

export type VersionInput = MeshServiceInput['spec']['versions'][number];
export type RouteInput = NonNullable<MeshServiceInput['spec']['routes']>[number];
export type SplitInput = NonNullable<RouteInput['split']>;

/** A service as its operator and its machines have it now: what the configuration says, and which pods live. */
export class ServiceWorld {
  service: MeshService;
  /** Counts commits. */
  revision = 1;
  /** Addresses that are about to leave: for their pinned sessions only. */
  readonly draining = new Set<string>();
  private record: ServiceRecord;
  private releases = 0;

  constructor(
    readonly traits: Traits,
    private readonly pods: Pods,
    private readonly random: Random,
  ) {
    this.record = recordOf(this.firstDocument(), this.revision);
    this.service = parseMeshService(this.record.document);
  }

  get document(): MeshServiceInput {
    return this.record.document;
  }

  /** Puts a document in force, as `apply` does. */
  commit(document: MeshServiceInput): void {
    this.revision++;
    this.record = recordOf(document, this.revision, this.record);
    this.service = parseMeshService(document);
  }

  /** Commits changes of the `spec`. */
  edit(changes: Partial<MeshServiceInput['spec']>): void {
    this.commit({ ...this.document, spec: { ...this.document.spec, ...changes } });
  }

  /** Something beside the document has changed: which pods drain. */
  touch(): void {
    this.revision++;
  }

  get versions(): readonly VersionInput[] {
    return this.document.spec.versions;
  }

  get routes(): readonly RouteInput[] {
    return this.document.spec.routes ?? [];
  }

  get split(): SplitInput {
    return this.routes.at(-1)?.split ?? [];
  }

  get stable(): string {
    return this.service.spec.stable;
  }

  /** Tells a release from a later one of the same name, as the store does. */
  incarnation(release: string): string {
    return incarnationOf(this.record, release);
  }

  podsOf(version: VersionInput): Pod[] {
    return (version.endpoints ?? []).map(({ address }) => this.pods.at(address));
  }

  /** Every pod that the document lists. */
  get members(): Pod[] {
    return this.versions.flatMap((version) => this.podsOf(version));
  }

  startPods(count: number): NonNullable<VersionInput['endpoints']> {
    return Array.from({ length: count }, () => {
      // Powers of two, which Envoy's arithmetic does not round (ADR 3).
      const weight = this.traits.heavy ? 2 ** this.random.between(0, 3) : 1;
      const pod = this.pods.start(this.traits.index, weight, this.random);
      return { address: pod.address, weight: pod.weight };
    });
  }

  stopPods(addresses: readonly string[]): void {
    for (const address of addresses) {
      this.draining.delete(address);
      this.pods.stop(this.traits.index, this.pods.at(address));
    }
  }

  /** A release that the service has never had, by name and pods. */
  newVersion(podCount: number): VersionInput {
    this.releases++;
    const name = this.traits.roles ? `role-${this.releases}` : `v${this.releases}`;
    return this.versionNamed(name, podCount);
  }

  versionNamed(name: string, podCount: number): VersionInput {
    const canary = this.traits.lane && name !== 'v1' && name !== 'stable';
    return { name, ...(canary ? { lane: 'canary' } : {}), endpoints: this.startPods(podCount) };
  }

  private firstDocument(): MeshServiceInput {
    const { traits, random } = this;
    const versions = traits.roles
      ? [this.versionNamed('stable', random.between(2, 6)), this.versionNamed('canary', random.between(1, 4))]
      : [this.newVersion(random.between(2, 6)), this.newVersion(random.between(1, 4))];
    const [stable, canary] = versions.map(({ name }) => name) as [string, string];
    const weight = random.between(1, 50);
    const routes: RouteInput[] = [
      { name: 'default', split: split([stable, 100 - weight], [canary, weight]) },
    ];
    if (traits.beta) routes.unshift(conditional('beta', split([stable, 50], [canary, 50])));
    if (traits.labels) routes.unshift(conditional('qa', split([canary, 1])));
    return {
      apiVersion: 'roost.dev/v1alpha1',
      kind: 'MeshService',
      metadata: { name: traits.name, namespace: traits.namespace },
      spec: {
        port: 8080,
        versions,
        routes,
        affinity: affinityOf(traits),
        ...(traits.maglev ? { loadBalancer: 'maglev' as const } : {}),
      },
    };
  }
}

function recordOf(document: MeshServiceInput, revision: number, before?: ServiceRecord): ServiceRecord {
  const names = document.spec.versions.map(({ name }) => name);
  return { document, revision, born: birthsOf(before, names, revision) };
}

export function split(...entries: readonly (readonly [version: string, weight: number])[]): SplitInput {
  return entries.map(([version, weight]) => ({ version, weight }));
}

/** A route for requests that carry the label of its name. */
export function conditional(name: keyof typeof LABELS, to: SplitInput, pin = true): RouteInput {
  return {
    name,
    match: [{ headers: [{ name: LABEL_HEADER, exact: LABELS[name] }] }],
    split: to,
    pin,
  };
}
