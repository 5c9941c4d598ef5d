import { formatPath } from '../model/problems.js';
import type { MeshServiceInput } from '../model/schema.js';
import type { LocatedProblem, SourceDocument } from '../model/yaml-source.js';
import { isCanaryByMistake } from './canary.js';
import { groupRules } from './groups.js';
import { assignHosts, type NamedGroup } from './hosts.js';
import { Ingress, NO_CLASS } from './ingress.js';
import { readManifests } from './read-manifests.js';
import { type ImportReport, ReportBuilder } from './report.js';
import { notesOn } from './service-notes.js';
import { translateGroup } from './translate.js';

export interface ImportOptions {
  /** Of objects that name none. */
  readonly namespace: string;
}

export interface Imported {
  /** Each is accepted by `roost apply`. */
  readonly services: readonly MeshServiceInput[];
  readonly report: ImportReport;
}

/**
 * Translates ingress-nginx manifests into MeshServices, one for each backend with its canary, and says of
 * everything in them what became of it. Reads no files: pure.
 *
 * @param unreadable what was found wrong while the files were read
 */
export function importIngress(
  documents: readonly SourceDocument[],
  unreadable: readonly LocatedProblem[],
  options: ImportOptions,
): Imported {
  const report = new ReportBuilder();
  const { manifests, problems } = readManifests(documents, options.namespace);
  report.addRefused([...unreadable, ...problems]);
  const all = manifests.ingresses.map((manifest) => new Ingress(manifest, report));
  const ingresses = all.filter((ingress) => !isCanaryByMistake(ingress));
  const groups = nameGroups(groupRules(ingresses, manifests));
  const hosts = assignHosts(groups);
  const used = new Set<Ingress>();
  const services = groups.flatMap((named) => {
    const document = translateGroup(named, hosts.get(named.group) ?? [], manifests);
    if (document === undefined) return [];
    const sources = sourcesOf(named);
    for (const ingress of sources) used.add(ingress);
    const from = sources.map(({ manifest }) => manifest.key);
    report.services.push({ key: `${named.namespace}/${named.name}`, from, notes: notesOn(document) });
    return [document];
  });
  for (const ingress of all) {
    if (used.has(ingress)) reportRest(ingress);
    else report.ignore(ingress.manifest, 'nothing of it became part of a service');
  }
  for (const { manifest, reason } of manifests.ignored) report.ignore(manifest, reason);
  return { services, report: report.build(documents.map(({ file }) => file)) };
}

/** A MeshService has one port; the second port of a Service becomes one of its own. */
function nameGroups(groups: ReturnType<typeof groupRules>): NamedGroup[] {
  const taken = new Set<string>();
  return groups.map((group) => {
    const { namespace, service, port } = group.backend;
    const key = `${namespace}/${service}`;
    const name = taken.has(key) ? `${service}-${port}` : service;
    taken.add(key);
    if (name !== service) {
      const [rule] = group.rules;
      const note = `a MeshService has one port, and ${service} has another already: callers dial ${name}:${port}`;
      rule?.ingress.find(rule.backendAt, `${formatPath(rule.backendAt)}.port`, String(port), {
        outcome: 'changes',
        becomes: 'metadata.name',
        note,
      });
    }
    return { group, name, namespace };
  });
}

/** The oldest first. */
function sourcesOf({ group }: NamedGroup): Ingress[] {
  const canary = group.canary ? [group.canary.ingress] : [];
  return [...new Set([...group.rules.map(({ ingress }) => ingress), ...canary])];
}

const FIELD_NOTES: Readonly<Record<string, string>> = {
  ingressClassName: NO_CLASS,
  tls: 'TLS of clients outside the mesh ends at the edge',
};

/** Fields of the spec that rules are made of, and that are reported with them. */
const READ_FIELDS = new Set(['rules', 'defaultBackend', 'backend']);

function reportRest(ingress: Ingress): void {
  ingress.reportAnnotations();
  const { spec } = ingress.manifest.raw as { spec?: object | null };
  for (const name of Object.keys(spec ?? {})) {
    if (READ_FIELDS.has(name)) continue;
    const note = FIELD_NOTES[name] ?? 'not a field that the import knows';
    const value = (spec as Record<string, unknown>)[name];
    ingress.find(['spec', name], `spec.${name}`, typeof value === 'string' ? value : '', {
      outcome: 'none',
      note,
    });
  }
  ingress.manifest.value.spec?.rules?.forEach(({ host, http }, i) => {
    if (http) return;
    const note = 'a rule without paths, which ingress-nginx answers with its default backend';
    ingress.find(['spec', 'rules', i], `spec.rules[${i}]`, host ?? '', { outcome: 'none', note });
  });
}
