import { inTurns } from '../../src/lifecycle/in-turns.js';
import { applyProblems } from '../../src/model/apply-rules.js';
import { addressesOf, type Grant, isReservedEndpoint } from '../../src/model/grant.js';
import { type HostConflict, hostConflicts } from '../../src/model/mesh.js';
import {
  type MeshService,
  namespaceOfKey,
  parseMeshService,
  type ServiceKey,
  serviceKey,
} from '../../src/model/mesh-service.js';
import { InvalidResourceError, type Path, type Problem } from '../../src/model/problems.js';
import { namespaceOfHost, serviceOfHost } from '../../src/model/service-hosts.js';
import { isMachineName } from '../../src/net/reserved-address.js';
import type { Editor } from './editor.js';
import { RejectedError } from './errors.js';

/** A document that is about to be put in force. */
export interface Draft {
  readonly service: MeshService;
  /** The service as it is in force; undefined: there is none. */
  readonly before: MeshService | undefined;
  /** What is approved of what the document claims; undefined: everything. */
  readonly grant: Grant | undefined;
}

/** @throws RejectedError with the problems of every document */
export function parseAll(documents: readonly unknown[]): MeshService[] {
  const parsing = new Parsing();
  documents.forEach((document, i) => {
    parsing.add(document, i);
  });
  return parsing.end();
}

/** The same for many documents: others get their turn meanwhile. @throws RejectedError */
export async function parseInTurns(documents: readonly unknown[]): Promise<MeshService[]> {
  const parsing = new Parsing();
  await inTurns(documents, (document, i) => parsing.add(document, i));
  return parsing.end();
}

class Parsing {
  private readonly problems = new Map<number, readonly Problem[]>();
  private readonly services: MeshService[] = [];
  private readonly seen = new Set<ServiceKey>();

  add(document: unknown, index: number): void {
    try {
      const service = parseMeshService(document);
      const key = serviceKey(service);
      if (this.seen.has(key)) {
        const message = `${key} is there twice; a service is one document`;
        this.problems.set(index, [{ path: ['metadata', 'name'], message }]);
      }
      this.seen.add(key);
      this.services.push(service);
    } catch (error) {
      if (!(error instanceof InvalidResourceError)) throw error;
      this.problems.set(index, error.problems);
    }
  }

  /** @throws RejectedError */
  end(): MeshService[] {
    if (this.problems.size > 0) throw new RejectedError(this.problems);
    return this.services;
  }
}

/**
 * Refuses what is valid and makes no sense, of documents that a user applies. What is stored already is never asked.
 *
 * @throws RejectedError
 */
export function checkSense(documents: readonly unknown[]): void {
  const problems = documents.map((document, i) => [i, applyProblems(document)] as const);
  const found = new Map(problems.filter(([, all]) => all.length > 0));
  if (found.size > 0) throw new RejectedError(found);
}

/**
 * Refuses what those who are to use the services would refuse. A slice at a time: others get their turn meanwhile.
 *
 * @throws RejectedError
 */
export async function checkAccepted(
  services: readonly MeshService[],
  refusalsOf: (service: MeshService) => readonly Problem[],
): Promise<void> {
  const problems = new Map<number, readonly Problem[]>();
  await inTurns(services, (service, i) => {
    const found = refusalsOf(service);
    if (found.length > 0) problems.set(i, found);
  });
  if (problems.size > 0) throw new RejectedError(problems);
}

/** Whether an edit gives a service hosts that {@link checkTogether} has not seen: a look at the whole mesh. */
export function changesHosts(before: MeshService | undefined, { spec }: MeshService): boolean {
  const hosts = before?.spec.hosts;
  return hosts?.length !== spec.hosts.length || hosts.some((host, i) => host !== spec.hosts[i]);
}

/**
 * Refuses what a document claims of other namespaces or of its callers' machines, unless it is granted. What the
 * service claims already is no reason to refuse a change of something else.
 *
 * @param isNamespace whether there is a namespace of this name
 * @throws RejectedError
 */
export function checkReach(drafts: readonly Draft[], isNamespace: (name: string) => boolean): void {
  const problems = new Map<number, readonly Problem[]>();
  drafts.forEach((draft, i) => {
    if (draft.grant === undefined) return;
    const found = [
      ...hostProblems(draft, draft.grant, isNamespace),
      ...endpointProblems(draft, draft.grant),
      ...fileProblems(draft, draft.grant),
    ];
    if (found.length > 0) problems.set(i, found);
  });
  if (problems.size > 0) throw new RejectedError(problems);
}

const ONLY_ADMINS = 'only an admin of all namespaces may grant that';

function hostProblems(
  { service, before }: Draft,
  grant: Grant,
  isNamespace: (name: string) => boolean,
): Problem[] {
  const known = new Set([...grant.hosts, ...(before?.spec.hosts ?? [])]);
  return service.spec.hosts.flatMap((host, i) => {
    if (known.has(host)) return [];
    const path = ['spec', 'hosts', i];
    if (isMachineName(host))
      return [{ path, message: `"${host}" names a machine and no service; ${ONLY_ADMINS}` }];
    const owner = ownerOf(host, isNamespace);
    if (owner === undefined || owner === service.namespace) return [];
    return [{ path, message: `"${host}" belongs to the namespace "${owner}", as all names of that form do` }];
  });
}

/** The namespace that a host belongs to. */
function ownerOf(host: string, isNamespace: (name: string) => boolean): string | undefined {
  const key = serviceOfHost(host);
  const named = key && namespaceOfKey(key);
  return namespaceOfHost(host) ?? (named !== undefined && isNamespace(named) ? named : undefined);
}

function endpointProblems({ service, before }: Draft, grant: Grant): Problem[] {
  const known = new Set([...grant.endpoints, ...(before?.spec.versions ?? []).flatMap(addressesOf)]);
  return service.spec.versions.flatMap((version, v) =>
    addressesOf(version).flatMap((address, e): Problem[] => {
      if (!isReservedEndpoint(address) || known.has(address)) return [];
      const where: Path = version.dns === undefined ? ['endpoints', e, 'address'] : ['dns'];
      const message = `"${address}" is on the caller's machine, or on none (loopback, link-local, metadata service, multicast); ${ONLY_ADMINS}`;
      return [{ path: ['spec', 'versions', v, ...where], message }];
    }),
  );
}

function fileProblems({ service, before }: Draft, grant: Grant): Problem[] {
  return (['caFile', 'certFile', 'keyFile'] as const).flatMap((field) => {
    const file = service.spec.tls?.[field];
    if (file === undefined || grant.files.includes(file) || before?.spec.tls?.[field] === file) return [];
    const instead = field === 'caFile' ? '; write the certificates into "ca"' : '';
    const message = `"${file}" is a file on the caller's machine; ${ONLY_ADMINS}${instead}`;
    return [{ path: ['spec', 'tls', field], message }];
  });
}

/**
 * @param mesh as it would be after the edit
 * @param editor undefined: callers need no credentials
 * @throws RejectedError where the edit would leave two services with one host
 */
export function checkTogether(
  mesh: ReadonlyMap<ServiceKey, MeshService>,
  edited: readonly MeshService[],
  grantOf: (key: ServiceKey) => Grant | undefined = () => undefined,
  editor?: Editor,
): void {
  const conflicts = hostConflicts(mesh, grantOf);
  const problems = new Map<number, readonly Problem[]>();
  edited.forEach((service, i) => {
    const key = serviceKey(service);
    const found = conflicts.flatMap((conflict) => {
      if (conflict.key === key) return [claimProblem(conflict, editor)];
      return conflict.owner === key ? nameProblem(conflict, grantOf(conflict.key), editor) : [];
    });
    if (found.length > 0) problems.set(i, found);
  });
  if (problems.size > 0) throw new RejectedError(problems);
}

/** The edited service lists what leads to another. */
function claimProblem({ owner, host, index }: HostConflict, editor: Editor | undefined): Problem {
  const whose = editor === undefined || editor.sees(namespaceOfKey(owner)) ? owner : 'another namespace';
  return {
    path: ['spec', 'hosts', index],
    message: `"${host}" is a host of ${whose} already; a host leads to one service`,
  };
}

/**
 * Another service lists what the edited one has, or lists, too. Its own name is the edited service's whatever others
 * list; who can put both in order is told.
 */
function nameProblem(
  { key, owner, host }: HostConflict,
  grant: Grant | undefined,
  editor: Editor | undefined,
): Problem[] {
  const [theirs, ours] = [namespaceOfKey(key), namespaceOfKey(owner)];
  const isForAll = grant === undefined || grant.hosts.includes(host);
  if (theirs !== ours && editor !== undefined && !(isForAll && editor.sees(theirs))) return [];
  const message = `the service would answer to "${host}", which ${key} lists among its hosts`;
  return [{ path: ['metadata', 'name'], message }];
}
