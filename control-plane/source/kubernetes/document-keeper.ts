import type { KubeObject } from '../../../src/kubernetes/kube-client.js';
import { FILES } from '../../../src/model/author.js';
import type { ServiceKey } from '../../../src/model/mesh-service.js';
import { formatPath, type Problem } from '../../../src/model/problems.js';
import type { MeshServiceInput } from '../../../src/model/schema.js';
import { findUnsupported } from '../../../src/model/unsupported.js';
import type { SourceMark } from '../../store/config-state.js';
import type { ConfigStore } from '../../store/config-store.js';
import type { Configuration } from '../../store/configuration.js';
import { digestOf } from '../../store/digest.js';
import type { Editor } from '../../store/editor.js';
import { RejectedError } from '../../store/errors.js';
import { isDefault, isFromKubernetes, meshServiceFile, plainServiceFile } from '../../store/source-mark.js';
import type { ClusterView } from './cluster-view.js';
import type { ObjectKey, ServiceView } from './objects.js';
import { addressHosts, plainService } from './plain-service.js';

/** Which kinds were listed: what is absent from the others may be there. */
export interface ListedKinds {
  readonly services: boolean;
  readonly meshServices: boolean;
}

/** A document that the cluster has for a service. */
interface Wanted {
  readonly key: ServiceKey;
  readonly document: MeshServiceInput;
  readonly mark: SourceMark;
}

interface Plan {
  readonly put: readonly Wanted[];
  readonly deleted: readonly ServiceKey[];
}

const CAUSE = { action: 'kubernetes', by: FILES };

/**
 * Keeps the documents that come from Kubernetes at what the cluster says: a MeshService as it is, else a Service
 * without one. What a file or the API declares for the same name is left alone. A document that is refused keeps
 * nothing else from being in force.
 */
export class DocumentKeeper {
  private readonly meshServices = new Map<ObjectKey, MeshServiceInput>();
  private readonly touched = new Set<ObjectKey>();
  private readonly refusals = new Map<ServiceKey, readonly string[]>();
  private readonly hidden = new Map<ServiceKey, string>();
  private complete = false;

  constructor(
    private readonly cluster: ClusterView,
    private readonly store: ConfigStore,
    private readonly as: Editor | undefined,
  ) {}

  get problems(): readonly string[] {
    return [...this.refusals.values()].flat();
  }

  get waiting(): readonly string[] {
    return [...this.hidden.values()];
  }

  /** Something about the service of this name has changed. */
  touch(key: ObjectKey): void {
    this.touched.add(key);
  }

  /** @param object undefined: it is gone */
  putMeshService(key: ObjectKey, object: KubeObject | undefined): void {
    if (object === undefined) this.meshServices.delete(key);
    else this.meshServices.set(key, documentOf(object));
    this.touch(key);
  }

  /** Puts what has changed in force. @throws what the store says; then all of it is tried again */
  async apply(listed: ListedKinds): Promise<void> {
    const keys = this.complete ? new Set(this.touched) : this.everything();
    if (keys.size === 0) return;
    this.touched.clear();
    for (const key of keys) this.refusals.delete(key as ServiceKey);
    try {
      await this.applyValid(keys, listed);
      this.complete ||= listed.services && listed.meshServices;
    } catch (error) {
      for (const key of keys) this.touched.add(key);
      throw error;
    }
  }

  private everything(): Set<ObjectKey> {
    const stored = [...this.store.current.services].filter(([, { record }]) =>
      isFromKubernetes(record.source),
    );
    return new Set([
      ...this.touched,
      ...this.cluster.serviceKeys,
      ...this.meshServices.keys(),
      ...stored.map(([key]) => key),
    ]);
  }

  /** What the store refuses is left out, and the others are tried again. */
  private async applyValid(keys: Set<ObjectKey>, listed: ListedKinds): Promise<void> {
    while (keys.size > 0) {
      let plan: Plan = { put: [], deleted: [] };
      try {
        await this.store.edit((current) => {
          plan = this.plan(current, keys, listed);
          const { put, deleted } = plan;
          const [documents, sources] = [put.map(({ document }) => document), put.map(({ mark }) => mark)];
          return { documents, sources, deleted, cause: CAUSE, as: this.as };
        });
        return;
      } catch (error) {
        if (!(error instanceof RejectedError) || error.problems.size === 0) throw error;
        for (const [index, problems] of error.problems) {
          const { key, mark } = plan.put[index] as Wanted;
          this.refusals.set(key, describe(mark, problems));
          keys.delete(key);
        }
      }
    }
  }

  private plan({ services }: Configuration, keys: Iterable<ObjectKey>, listed: ListedKinds): Plan {
    const put: Wanted[] = [];
    const deleted: ServiceKey[] = [];
    for (const each of keys) {
      const key = each as ServiceKey;
      const mark = services.get(key)?.record.source;
      const wanted = this.wanted(key);
      const isForeign = services.has(key) && !isFromKubernetes(mark);
      this.noteHidden(key, isForeign && this.meshServices.has(key));
      // Of what was not listed, nothing is known to be gone.
      const isKnown = isDefault(mark) ? listed.services : listed.meshServices;
      const isSurer = wanted === undefined || isDefault(wanted.mark);
      if (isForeign || (mark !== undefined && isSurer && !isKnown)) continue;
      if (wanted === undefined && mark !== undefined) deleted.push(key);
      if (wanted !== undefined && (wanted.mark.digest !== mark?.digest || wanted.mark.file !== mark.file))
        put.push(wanted);
    }
    return { put, deleted };
  }

  private noteHidden(key: ServiceKey, isHidden: boolean): void {
    if (isHidden)
      this.hidden.set(
        key,
        `${key}: the MeshService of the cluster is not in force: a file or the API declares this service; delete it there`,
      );
    else this.hidden.delete(key);
  }

  private wanted(key: ServiceKey): Wanted | undefined {
    const [namespace = '', name = ''] = key.split('/');
    const service = this.cluster.service(namespace, name);
    const meshService = this.meshServices.get(key);
    if (meshService !== undefined) {
      const declared = withAddresses(meshService, service);
      const mark = { file: meshServiceFile(key), digest: digestOf(declared) };
      return { key, document: declared, mark };
    }
    const plain = service && plainService(service);
    // A protocol that no sidecar speaks yet is forwarded as it is.
    if (plain === undefined || 'reason' in plain || findUnsupported(plain.document).length > 0)
      return undefined;
    return {
      key,
      document: plain.document,
      mark: { file: plainServiceFile(key), digest: digestOf(plain.document) },
    };
  }
}

/** The MeshService without what the API server adds. */
function documentOf(object: KubeObject): MeshServiceInput {
  const { name, namespace, labels, annotations } = (object.metadata ?? {}) as Record<string, unknown>;
  const metadata = {
    name,
    namespace,
    ...(labels !== undefined && { labels }),
    ...withoutLastApplied(annotations),
  };
  const [apiVersion, kind] = ['roost.dev/v1alpha1', 'MeshService'] as const;
  return { apiVersion, kind, metadata, spec: object.spec } as MeshServiceInput;
}

/** Connections to the Service's addresses are its calls, too. */
function withAddresses(document: MeshServiceInput, service: ServiceView | undefined): MeshServiceInput {
  const { spec } = document;
  const hosts: unknown = spec?.hosts ?? [];
  if (service === undefined || !isObject(spec) || !Array.isArray(hosts)) return document;
  const all = [...new Set([...hosts, ...addressHosts(service)])];
  return all.length === 0 ? document : { ...document, spec: { ...spec, hosts: all } };
}

/** What the API server sends has passed no check of ours. */
function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** What `kubectl apply` writes for itself repeats the whole document. */
function withoutLastApplied(annotations: unknown): object {
  if (typeof annotations !== 'object' || annotations === null) return {};
  const { [LAST_APPLIED]: _, ...others } = annotations as Record<string, unknown>;
  return Object.keys(others).length > 0 ? { annotations: others } : {};
}

function describe({ file }: SourceMark, problems: readonly Problem[]): string[] {
  return problems.map(({ path, message }) => `${file}: ${formatPath(path)}: ${message}`);
}
