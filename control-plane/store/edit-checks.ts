import { type HostConflict, hostConflicts } from '../../src/model/mesh.js';
import {
  type MeshService,
  parseMeshService,
  type ServiceKey,
  serviceKey,
} from '../../src/model/mesh-service.js';
import { InvalidResourceError, type Problem } from '../../src/model/problems.js';
import { RejectedError } from './errors.js';

/** @throws RejectedError with the problems of every document */
export function parseAll(documents: readonly unknown[]): MeshService[] {
  const problems = new Map<number, readonly Problem[]>();
  const services: MeshService[] = [];
  const seen = new Set<ServiceKey>();
  documents.forEach((document, i) => {
    try {
      const service = parseMeshService(document);
      const key = serviceKey(service);
      if (seen.has(key)) {
        const message = `${key} is there twice; a service is one document`;
        problems.set(i, [{ path: ['metadata', 'name'], message }]);
      }
      seen.add(key);
      services.push(service);
    } catch (error) {
      if (!(error instanceof InvalidResourceError)) throw error;
      problems.set(i, error.problems);
    }
  });
  if (problems.size > 0) throw new RejectedError(problems);
  return services;
}

/** Whether an edit gives a service hosts that {@link checkTogether} has not seen: a look at the whole mesh. */
export function changesHosts(before: MeshService | undefined, { spec }: MeshService): boolean {
  const hosts = before?.spec.hosts;
  return hosts?.length !== spec.hosts.length || hosts.some((host, i) => host !== spec.hosts[i]);
}

/**
 * @param mesh as it would be after the edit
 * @throws RejectedError where the edit would leave two services with one host
 */
export function checkTogether(
  mesh: ReadonlyMap<ServiceKey, MeshService>,
  edited: readonly MeshService[],
): void {
  const conflicts = hostConflicts(mesh);
  const problems = new Map<number, readonly Problem[]>();
  edited.forEach((service, i) => {
    const key = serviceKey(service);
    const found = conflicts.filter((conflict) => conflict.key === key || conflict.owner === key);
    if (found.length === 0) return;
    problems.set(
      i,
      found.map((conflict) => conflictProblem(conflict, key)),
    );
  });
  if (problems.size > 0) throw new RejectedError(problems);
}

/** The conflict as a problem of the service that is being edited, whichever side of it that is. */
function conflictProblem({ key, owner, host, index }: HostConflict, edited: ServiceKey): Problem {
  if (key === edited) {
    return {
      path: ['spec', 'hosts', index],
      message: `"${host}" is a host of ${owner} already; a host leads to one service`,
    };
  }
  return {
    path: ['metadata', 'name'],
    message: `the service would answer to "${host}", which ${key} lists among its hosts`,
  };
}
