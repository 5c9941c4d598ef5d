import type { MeshService, ServiceKey } from '../../../src/model/mesh-service.js';
import type { LiveEndpoints, ReleaseEndpoints } from '../../endpoints/live-endpoints.js';
import type { Configuration } from '../../store/configuration.js';
import type { ObjectKey } from './objects.js';
import { type ClusterObjects, resolveService, serviceOfVersion } from './resolve.js';

/** Conditions that are told at once. */
const MAX_CONDITIONS = 100;

/** What is known of one document with live releases. */
interface Followed {
  readonly service: MeshService;
  /** Kubernetes Services that its releases name. */
  readonly names: ReadonlySet<ObjectKey>;
  releases: readonly string[];
  conditions: readonly string[];
}

/** Keeps the live endpoints of every document at what the cluster says; a change costs what it concerns. */
export class EndpointKeeper {
  private readonly followed = new Map<ServiceKey, Followed>();
  private readonly followers = new Map<ObjectKey, Set<ServiceKey>>();
  private readonly stale = new Set<ServiceKey>();
  private refused: readonly string[] = [];

  constructor(
    private readonly cluster: ClusterObjects,
    private readonly endpoints: LiveEndpoints,
  ) {}

  /** Why releases have no endpoints, or not all. */
  get conditions(): readonly string[] {
    const all = [...this.followed.values()].flatMap(({ conditions }) => conditions);
    const more = all.length - MAX_CONDITIONS;
    return [...all.slice(0, MAX_CONDITIONS), ...(more > 0 ? [`and ${more} more`] : []), ...this.refused];
  }

  /** A Service, its endpoints or its pods have changed. */
  onObject(key: ObjectKey): void {
    for (const follower of this.followers.get(key) ?? []) this.stale.add(follower);
  }

  /** Documents have changed, come or gone. */
  onDocuments({ services }: Configuration, keys: ReadonlySet<ServiceKey>): void {
    for (const key of keys) this.follow(key, services.get(key)?.service);
  }

  /** Puts everything that has changed in force, in one step. */
  flush(): void {
    if (this.stale.size === 0) return;
    const updates = [...this.stale].flatMap((key) => this.updatesOf(key));
    this.stale.clear();
    this.refused = this.endpoints.update(updates);
  }

  private updatesOf(key: ServiceKey): ReleaseEndpoints[] {
    const followed = this.followed.get(key);
    if (followed === undefined) return [];
    const { releases, conditions } = resolveService(followed.service, this.cluster);
    followed.conditions = conditions;
    followed.releases = releases.map(({ release }) => release);
    return releases.map(({ release, endpoints }) => ({ service: key, release, endpoints }));
  }

  private follow(key: ServiceKey, service: MeshService | undefined): void {
    const before = this.followed.get(key);
    if (before !== undefined) this.unfollow(key, before);
    const live = (service?.spec.versions ?? []).flatMap((version) => {
      if (service === undefined) return [];
      const name = serviceOfVersion(service, version);
      return name === undefined ? [] : [{ release: version.name, name: `${service.namespace}/${name}` }];
    });
    const releases = live.map(({ release }) => release);
    this.forget(key, before, releases);
    if (service === undefined || live.length === 0) return;
    const names = new Set(live.map(({ name }) => name));
    this.followed.set(key, { service, names, releases, conditions: [] });
    for (const name of names) {
      const followers = this.followers.get(name) ?? new Set<ServiceKey>();
      this.followers.set(name, followers.add(key));
    }
    this.stale.add(key);
  }

  private unfollow(key: ServiceKey, { names }: Followed): void {
    this.followed.delete(key);
    for (const name of names) {
      const followers = this.followers.get(name);
      followers?.delete(key);
      if (followers?.size === 0) this.followers.delete(name);
    }
  }

  private forget(key: ServiceKey, before: Followed | undefined, keep: readonly string[]): void {
    const gone = (before?.releases ?? []).filter((release) => !keep.includes(release));
    this.endpoints.update(gone.map((release) => ({ service: key, release, endpoints: undefined })));
  }
}
