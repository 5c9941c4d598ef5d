import { applyProblems } from '../model/apply-rules.js';
import { parseMeshService } from '../model/mesh-service.js';
import { formatPath, formatProblem, InvalidResourceError } from '../model/problems.js';
import type { MeshServiceInput } from '../model/schema.js';
import { readBalancing } from './affinity.js';
import type { Outcome } from './annotation-row.js';
import { type Backend, locate } from './backends.js';
import { readCanary } from './canary.js';
import { readConnectTimeout } from './connect-timeout.js';
import type { SpecInput, VersionInput } from './document.js';
import type { Group, Rule } from './groups.js';
import type { NamedGroup } from './hosts.js';
import type { Ingress } from './ingress.js';
import type { Manifests } from './read-manifests.js';
import type { Remark } from './report.js';
import { buildRoutes, type Releases } from './routes.js';

/** Makes one group's MeshService; undefined where Roost cannot do what it asks, which is then named. */
export function translateGroup(
  { group, name, namespace }: NamedGroup,
  hosts: readonly string[],
  manifests: Manifests,
): MeshServiceInput | undefined {
  const { rules, backend, canary } = group;
  const [oldest] = rules as [Rule];
  const protocol = readProtocol(oldest.ingress);
  if (protocol === undefined) return undefined;
  const releases = nameReleases(group);
  const balancing = readBalancing(group);
  const sticky = balancing.affinity !== undefined && balancing.affinity.endpoint !== 'none';
  const versions = [
    toVersion(releases.primary, backend, oldest.ingress, { manifests, sticky }),
    ...(canary && releases.canary
      ? [toVersion(releases.canary.name, canary.backend, canary.ingress, { manifests, sticky })]
      : []),
  ];
  const document: MeshServiceInput = {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name, namespace },
    spec: {
      ...(hosts.length > 0 ? { hosts: [...hosts] } : {}),
      port: backend.port,
      ...(protocol === 'http' ? {} : { protocol }),
      stable: releases.primary,
      versions: versions.map(({ version }) => version),
      routes: buildRoutes(group, releases),
      ...balancing,
      ...readConnectTimeout([...new Set(rules.map(({ ingress }) => ingress))]),
    },
  };
  reportRules(group, versions);
  return isValid(document, oldest.ingress) ? document : undefined;
}

/** Releases are named after their Services; a canary of the same name gets its port or namespace as well. */
function nameReleases({ backend, canary }: Group): Releases {
  const primary = backend.service;
  if (canary === undefined) return { primary, canary: undefined };
  const { service, port, namespace } = canary.backend;
  const policy = readCanary(canary.ingress);
  if (service !== primary) return { primary, canary: { name: service, policy } };
  const name = namespace === backend.namespace ? `${service}-${port}` : `${service}.${namespace}`;
  return { primary, canary: { name, policy } };
}

const PROTOCOLS = { HTTP: 'http', GRPC: 'grpc' } as const;

function readProtocol(ingress: Ingress): SpecInput['protocol'] | undefined {
  const value = ingress.text('backend-protocol')?.toUpperCase() ?? 'HTTP';
  const known = Object.hasOwn(PROTOCOLS, value) ? PROTOCOLS[value as keyof typeof PROTOCOLS] : undefined;
  if (known === 'http') ingress.remark('backend-protocol', { outcome: 'exact', note: 'the same' });
  if (known === undefined)
    ingress.refuseAnnotation(
      'backend-protocol',
      `Roost does not speak ${value} to pods; nothing of this backend is imported`,
    );
  return known;
}

interface Located {
  readonly version: VersionInput;
  readonly outcome: Outcome;
  readonly note: string;
}

function toVersion(
  name: string,
  backend: Backend,
  ingress: Ingress,
  { manifests, sticky }: { readonly manifests: Manifests; readonly sticky: boolean },
): Located {
  const { location, note, hidesPods } = locate(backend, manifests, ingress.flag('service-upstream') === true);
  const version = { name, ...location };
  if (!sticky || !hidesPods) return { version, outcome: 'exact', note };
  const lost =
    'sessions reach the release, not one pod of it: make the Service headless, or add its EndpointSlices to the files';
  return { version, outcome: 'changes', note: `${note}; ${lost}` };
}

function reportRules(group: Group, [primary, ofCanary]: readonly Located[]): void {
  const { rules, canary } = group;
  for (const { ingress, condition, backend, at, backendAt } of rules) {
    const { outcome, note, text, match } = condition;
    const becomes = match === undefined ? 'routes[]' : 'routes[].match[].path';
    ingress.find(at, formatPath(at), text, { outcome, becomes, note });
    const leadsTo = `${backend.service}:${backend.port}`;
    if (primary) ingress.find(backendAt, formatPath(backendAt), leadsTo, remarkOn(primary));
  }
  if (canary === undefined || ofCanary === undefined) return;
  const remark = remarkOn(ofCanary);
  const note =
    rules.length === 1
      ? remark.note
      : `${remark.note}; the canary of every path of its primary, as in ingress-nginx`;
  canary.ingress.find(['spec'], 'spec.rules', `${canary.backend.service}:${canary.backend.port}`, {
    ...remark,
    note,
  });
}

function remarkOn({ version, outcome, note }: Located): Remark {
  return { outcome, becomes: `versions[${version.name}]`, note };
}

/** The last word is the resource's own: what it refuses is never handed out. */
function isValid(document: MeshServiceInput, ingress: Ingress): boolean {
  try {
    parseMeshService(document);
    const problems = applyProblems(document);
    if (problems.length > 0) throw new InvalidResourceError(problems);
    return true;
  } catch (error) {
    if (!(error instanceof InvalidResourceError)) throw error;
    const { name, namespace } = document.metadata;
    const problems = error.problems.map(formatProblem).join('; ');
    ingress.refuse(
      [],
      `MeshService ${namespace ?? 'default'}/${name} would not be valid, and is left out: ${problems}`,
    );
    return false;
  }
}
