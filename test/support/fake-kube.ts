import { type KubeApi, KubeError, type KubeObject } from '../../src/kubernetes/kube-client.js';
import { applyJsonPatch } from './json-patch.js';

/** Objects of a Kubernetes API by path, with the conflicts of `resourceVersion` that the real one has. */
export class FakeKube implements KubeApi {
  readonly objects = new Map<string, KubeObject>();
  /** Calls that change something: `PUT /api/v1/…`. */
  readonly changes: string[] = [];
  /** What the next calls of a path fail with. */
  readonly refusals = new Map<string, KubeError>();
  /** What a POST to a path is answered; absent: the object as it came. */
  readonly answers = new Map<string, (object: KubeObject) => KubeObject>();
  private version = 1;

  set(path: string, object: object): void {
    const metadata = {
      ...(object as { metadata?: object }).metadata,
      resourceVersion: String(this.version++),
    };
    this.objects.set(path, structuredClone({ ...object, metadata }));
  }

  async get(path: string): Promise<KubeObject> {
    return structuredClone(this.find(path.replace(/[?&]limit=\d+$/, '')));
  }

  async put(path: string, object: KubeObject): Promise<KubeObject> {
    this.changes.push(`PUT ${path}`);
    if (versionOf(this.find(path)) !== versionOf(object))
      throw new KubeError(409, `${path} has been modified`);
    this.set(path, object);
    return this.get(path);
  }

  async post(path: string, object: KubeObject): Promise<KubeObject> {
    this.changes.push(`POST ${path}`);
    const refusal = this.refusals.get(path);
    if (refusal !== undefined) throw refusal;
    return this.answers.get(path)?.(object) ?? object;
  }

  async patch(path: string, operations: readonly object[]): Promise<KubeObject> {
    this.changes.push(`PATCH ${path}`);
    const object = structuredClone(this.find(path));
    const changing = operations as { op: 'add' | 'remove' | 'test'; path: string }[];
    applyJsonPatch(
      object,
      changing.filter(({ op }) => op !== 'test') as Parameters<typeof applyJsonPatch>[1],
    );
    this.set(path, object);
    return this.get(path);
  }

  private find(path: string): KubeObject {
    const refusal = this.refusals.get(path);
    if (refusal !== undefined) throw refusal;
    const found = this.objects.get(path);
    if (found === undefined) throw new KubeError(404, `${path} not found`);
    return found;
  }
}

function versionOf(object: KubeObject): unknown {
  return (object.metadata as { resourceVersion?: unknown } | undefined)?.resourceVersion;
}
