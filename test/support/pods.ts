import type { Test } from 'tap';
import { type NamespaceAgent, NetworkNamespaces, type Pod } from './network-namespaces.js';
import { ROOST, RoostProcess } from './processes.js';
import { applyRedirect } from './redirect-settings.js';

/** Pods as Kubernetes would have them, with real sidecars, and apps that know nothing of them. */

export const SIDECAR_USER = { uid: 1337, gid: 1337 };
const APP_USER = { uid: 1000, gid: 1000 };

export interface MeshedPod extends Pod {
  /** The app, and whatever else runs in the pod without being its sidecar. */
  readonly app: NamespaceAgent;
  readonly sidecar: RoostProcess;
}

export class Pods {
  private constructor(
    private readonly t: Test,
    readonly namespaces: NetworkNamespaces,
    private readonly controlPlane: Pod,
  ) {}

  /** A control plane in a pod of its own. */
  static async start(t: Test): Promise<Pods> {
    const namespaces = NetworkNamespaces.create(t);
    const controlPlane = namespaces.addPod();
    const args = ['control-plane', '--grpc', '0.0.0.0:15010', '--http', '127.0.0.1:15014'];
    const started = RoostProcess.start(t, args, {}, ROOST, controlPlane.enter());
    await started.logged('control plane is ready');
    return new Pods(t, namespaces, controlPlane);
  }

  /** Runs a command of the operator's. */
  roost(args: readonly string[], input = '') {
    return this.controlPlane.run([process.execPath, ROOST, ...args], input);
  }

  apply(...resources: readonly object[]): void {
    const input = resources.map((resource) => JSON.stringify(resource)).join('\n---\n');
    const { code, stderr } = this.roost(['apply', '-f', '-'], input);
    this.t.equal(code, 0, stderr);
  }

  /** A pod without sidecar or rules. */
  plain(): Pod {
    return this.namespaces.addPod();
  }

  /** A pod with an app, a sidecar and the rules. @param args of the sidecar */
  async meshed(
    service: string,
    args: readonly string[] = [],
    rules: readonly string[] = [],
  ): Promise<MeshedPod> {
    const pod = this.namespaces.addPod();
    applyRedirect(this.t, pod, ...rules);
    const app = await pod.startAgent(APP_USER);
    const sidecar = await this.startSidecar(pod, service, args);
    return Object.assign(pod, { app, sidecar });
  }

  async startSidecar(pod: Pod, service: string, args: readonly string[] = []): Promise<RoostProcess> {
    const sidecar = RoostProcess.start(
      this.t,
      [
        'sidecar',
        '--intercept',
        ...['--service', service],
        ...['--control-plane', `${this.controlPlane.ipv4}:15010`],
        ...['--metrics', '0.0.0.0:15020'],
        ...args,
      ],
      {},
      ROOST,
      pod.enter(SIDECAR_USER),
    );
    await sidecar.logged('sidecar is listening');
    await sidecar.logged('the first configuration is in force');
    return sidecar;
  }
}

export interface EndpointsOf {
  readonly [version: string]: readonly string[];
}

/** A MeshService at an address of its own, as a ClusterIP is. */
export function serviceAt(
  name: string,
  hosts: readonly string[],
  versions: EndpointsOf,
  spec: object = {},
): object {
  return {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name, namespace: 'default' },
    spec: {
      hosts,
      port: 80,
      versions: Object.entries(versions).map(([version, addresses]) => ({
        name: version,
        endpoints: addresses.map((address) => ({ address })),
      })),
      ...spec,
    },
  };
}
