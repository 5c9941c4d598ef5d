import { commandName, type ServiceKey } from '../../src/model/mesh-service.js';
import {
  type AssignedEndpoint,
  assignedEndpoints,
  endpointProblem,
  type LiveEndpoint,
} from './live-endpoint.js';

/** What a source sees of one release. */
export interface ReleaseEndpoints {
  readonly service: ServiceKey;
  readonly release: string;
  /** All of them, whatever their status; empty: the release has none; undefined: forget the release. */
  readonly endpoints: readonly LiveEndpoint[] | undefined;
}

/** The releases whose endpoints differ from before. */
export type ChangedReleases = ReadonlyMap<ServiceKey, ReadonlySet<string>>;

/** Endpoints of one release; those beyond are left out. Their load assignment stays below 1 MB. */
const MAX_ENDPOINTS = 10_000;
/** Releases that have endpoints here; those beyond are refused. */
const MAX_RELEASES = 20_000;
/** Problems that one update returns. */
const MAX_PROBLEMS = 20;

interface Bounds {
  readonly endpoints: number;
  readonly releases: number;
}

/**
 * The endpoints of releases that a source follows, such as the pods behind a Kubernetes Service. They are not
 * documents: a change makes no revision and no history entry, and nothing of it is stored. It reaches the snapshot and
 * the clients. After a start, a source lists them again.
 *
 * A release may have endpoints here before its document is in force, and after it is gone. What counts is the
 * release's document: endpoints of a release that lists its own, or has a DNS name, are not used.
 */
export class LiveEndpoints {
  private readonly releases = new Map<ServiceKey, Map<string, readonly AssignedEndpoint[]>>();
  private readonly listeners = new Set<(changed: ChangedReleases) => void>();
  private count = 0;

  constructor(private readonly bounds: Bounds = { endpoints: MAX_ENDPOINTS, releases: MAX_RELEASES }) {}

  /**
   * Replaces the endpoints of some releases, all in one step. A list that says what is known already changes nothing.
   *
   * @returns what is wrong with endpoints that are left out, a line each
   */
  update(releases: Iterable<ReleaseEndpoints>): string[] {
    const problems: string[] = [];
    const changed = new Map<ServiceKey, Set<string>>();
    for (const each of releases) {
      if (!this.put(each, problems)) continue;
      const names = changed.get(each.service) ?? new Set();
      changed.set(each.service, names.add(each.release));
    }
    if (changed.size > 0) for (const listener of this.listeners) listener(changed);
    return problems.slice(0, MAX_PROBLEMS);
  }

  /** The endpoints of a release; empty also where no source knows the release. */
  of(service: ServiceKey, release: string): readonly AssignedEndpoint[] {
    return this.releases.get(service)?.get(release) ?? [];
  }

  /** Calls back after every change. @returns what ends that */
  onChange(listener: (changed: ChangedReleases) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** @returns whether anything differs */
  private put({ service, release, endpoints }: ReleaseEndpoints, problems: string[]): boolean {
    const known = this.releases.get(service)?.get(release);
    if (endpoints === undefined) return this.forget(service, release);
    const at = `${commandName(service)}, release ${release}`;
    if (known === undefined && this.count >= this.bounds.releases) {
      problems.push(`${at}: more than ${this.bounds.releases} releases have live endpoints`);
      return false;
    }
    const assigned = assignedEndpoints(this.valid(endpoints, at, problems));
    if (known !== undefined && isSame(known, assigned)) return false;
    if (known === undefined) this.count++;
    const releases = this.releases.get(service) ?? new Map<string, readonly AssignedEndpoint[]>();
    this.releases.set(service, releases.set(release, assigned));
    return true;
  }

  private valid(endpoints: readonly LiveEndpoint[], at: string, problems: string[]): readonly LiveEndpoint[] {
    const max = this.bounds.endpoints;
    if (endpoints.length > max)
      problems.push(`${at}: has ${endpoints.length} endpoints; the first ${max} count`);
    return endpoints.slice(0, max).filter((endpoint) => {
      const problem = endpointProblem(endpoint);
      if (problem !== undefined) problems.push(`${at}: endpoint ${problem}`);
      return problem === undefined;
    });
  }

  private forget(service: ServiceKey, release: string): boolean {
    const releases = this.releases.get(service);
    if (!releases?.delete(release)) return false;
    this.count--;
    if (releases.size === 0) this.releases.delete(service);
    return true;
  }
}

function isSame(before: readonly AssignedEndpoint[], after: readonly AssignedEndpoint[]): boolean {
  if (before.length !== after.length) return false;
  return before.every((each, i) => {
    const other = after[i] as AssignedEndpoint;
    return (
      each.address === other.address &&
      each.weight === other.weight &&
      each.zone === other.zone &&
      each.status === other.status
    );
  });
}
