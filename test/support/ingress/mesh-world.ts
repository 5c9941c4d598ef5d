import type { Test } from 'tap';
import type { Imported } from '../../../src/import-ingress/import-ingress.js';
import { Backend } from '../backend.js';
import { type Call, caller } from '../calls.js';
import { TestMesh } from '../mesh.js';
import { importObjects, PATH, slice } from './manifests.js';
import type { CaseAnswer, CaseRequest, Pods, World } from './world.js';

/** A control plane and a sidecar that cases share. */
export interface SharedMesh {
  readonly mesh: TestMesh;
  readonly call: Call;
}

/** @param unresolved names that lead to no address, as those of Services that do not exist */
export async function startSharedMesh(t: Test, unresolved: readonly string[]): Promise<SharedMesh> {
  const mesh = await TestMesh.start(t);
  const sidecar = await mesh.sidecar({ resolve: new Map(unresolved.map((name) => [name, []])) });
  return { mesh, call: caller(t, sidecar.addresses.outbound) };
}

/** One case through real sockets: pods are servers of its own, and its service is gone when it ends. */
export class MeshWorld implements World {
  private readonly pods = new Map<string, Backend>();
  private readonly applied = new Set<string>();
  /** The pods asked while every pod answers 503. */
  private failing: string[] | undefined;

  constructor(
    private readonly t: Test,
    private readonly shared: SharedMesh,
    private readonly namespace: string,
  ) {
    t.teardown(async () => {
      for (const name of this.applied) await shared.mesh.change('Delete', { name, expectedRevision: 0 });
    });
  }

  async apply(objects: readonly object[], pods: Pods = {}): Promise<Imported> {
    const { namespace } = this;
    const slices: object[] = [];
    for (const [service, names] of Object.entries(pods)) {
      for (const name of names) slices.push(slice(service, (await this.pod(name)).address));
    }
    const imported = importObjects([...objects, ...slices], namespace);
    await this.shared.mesh.apply(...imported.services);
    for (const { metadata } of imported.services) this.applied.add(`${metadata.name}.${namespace}`);
    return imported;
  }

  async call({ host, path = PATH, headers = {}, cookie }: CaseRequest = {}): Promise<CaseAnswer> {
    const all = { ...headers, ...(cookie === undefined ? {} : { cookie }) };
    const answer = await this.shared.call(host ?? `p.${this.namespace}`, { path, headers: all });
    const setCookie = answer.headers['set-cookie'];
    return {
      status: answer.status,
      pod: answer.backend,
      setCookie: Array.isArray(setCookie) ? setCookie.join() : setCookie,
    };
  }

  async attempts(request: CaseRequest = {}): Promise<readonly string[]> {
    this.failing = [];
    await this.call(request);
    const pods = this.failing;
    this.failing = undefined;
    return pods;
  }

  async stop(pod: string): Promise<void> {
    await this.pods.get(pod)?.stop();
  }

  private async pod(name: string): Promise<Backend> {
    const known = this.pods.get(name);
    if (known) return known;
    const pod = await Backend.start(this.t, name, (_request, response) => {
      this.failing?.push(name);
      response.statusCode = this.failing ? 503 : 200;
      response.end(JSON.stringify({ backend: name }));
    });
    this.pods.set(name, pod);
    return pod;
  }
}
