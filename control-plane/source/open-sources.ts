import { KubeClient, type KubeWatchApi } from '../../src/kubernetes/kube-client.js';
import { OperatorError } from '../../src/lifecycle/operator-error.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { LiveEndpoints } from '../endpoints/live-endpoints.js';
import type { ConfigStore } from '../store/config-store.js';
import type { Editor } from '../store/editor.js';
import { type ConfigSource, ConfigSources } from './config-source.js';
import { FileSource } from './files/file-source.js';
import { KubernetesSource } from './kubernetes/kubernetes-source.js';

/** Which sources there are. */
export interface SourceOptions {
  /** Files and folders of configuration; empty: none. */
  readonly config: readonly string[];
  /** How long no file must declare a service before it is removed; absent: 10 s. */
  readonly configSettleMs?: number;
  /** Absent: Kubernetes is no source. */
  readonly kubernetes?: KubernetesOptions | undefined;
}

/** Which cluster is followed, and what of it. */
export interface KubernetesOptions {
  /** Empty: as the pod's service account, outside of pods as kubectl does. */
  readonly kubeconfig: string;
  /** Empty: all. */
  readonly namespaces: readonly string[];
  /** Label selector of Services that are meshed; empty: all. */
  readonly serviceSelector: string;
}

/** What every source writes to. */
export interface SourceTarget {
  readonly store: ConfigStore;
  /** Endpoints that change on their own. */
  readonly endpoints: LiveEndpoints;
  readonly log: Logger;
  /** As whom the operator's own documents are put in force; undefined: callers need no credentials here. */
  readonly as: Editor | undefined;
}

const CONFIG_SETTLE_MS = 10_000;

/** The sources hold documents that are not valid, and no other configuration is there to serve. */
export class InvalidSourcesError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'InvalidSourcesError';
  }
}

/**
 * Constructs and starts every source. A source that is not valid does not keep the control plane from serving what its
 * store holds.
 *
 * @throws InvalidSourcesError, and what {@link ConfigSource.start} throws
 */
export async function openSources(options: SourceOptions, target: SourceTarget): Promise<ConfigSource> {
  const sources = new ConfigSources(await sourcesOf(options, target));
  await sources.start();
  const { store, log } = target;
  const { problems } = sources;
  const isEmpty = store.current.services.size === 0;
  // A cluster gets better while it is followed; files that are wrong at the start are a mistake of the operator.
  if (problems.length > 0 && isEmpty && options.kubernetes === undefined)
    throw new InvalidSourcesError(problems);
  if (problems.length > 0)
    log.error(
      { problems },
      'the configuration is not valid; the control plane serves what was stored before',
    );
  else if (isEmpty && options.config.length > 0)
    log.warn({ config: options.config }, 'the configuration files declare no service');
  return sources;
}

/** Files come first: Kubernetes leaves alone what they declare. */
async function sourcesOf(options: SourceOptions, target: SourceTarget): Promise<ConfigSource[]> {
  const { config, configSettleMs: settleMs = CONFIG_SETTLE_MS, kubernetes } = options;
  const sources: ConfigSource[] = [];
  if (config.length > 0)
    sources.push(
      new FileSource({ ...target, log: target.log.child({ component: 'files' }), paths: config, settleMs }),
    );
  if (kubernetes !== undefined) {
    const log = target.log.child({ component: 'kubernetes' });
    sources.push(
      new KubernetesSource({ ...target, ...kubernetes, log, api: await kubeApi(kubernetes.kubeconfig) }),
    );
  }
  return sources;
}

/** @throws OperatorError */
async function kubeApi(kubeconfig: string): Promise<KubeWatchApi> {
  const inPod = kubeconfig === '' && process.env.KUBERNETES_SERVICE_HOST !== undefined;
  try {
    return await (inPod ? KubeClient.inCluster() : KubeClient.fromKubeconfig(kubeconfig, ''));
  } catch (cause) {
    throw new OperatorError(`--kubernetes: ${(cause as Error).message}`, { cause });
  }
}
