import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { freePorts } from '../../bench/free-ports.js';
import { KubeClient, KubeError, type KubeObject } from '../../src/kubernetes/kube-client.js';
import { EtcdCluster } from './etcd.js';
import { temporaryFolder } from './folder.js';
import type { Owner } from './owner.js';
import { findPeer, pathOf } from './peers.js';
import { eventually } from './processes.js';

const PEER = findPeer('KUBE_APISERVER', 'kube-apiserver');
/** Not part of every CI machine: it takes minutes to build (`test/cluster/cluster.sh build`). */
export const API_SERVER = {
  ...PEER,
  skip:
    PEER.path === undefined && 'kube-apiserver is not on PATH and KUBE_APISERVER does not say where it is',
};

const ADMIN_TOKEN = 'admin-of-this-test';

/** API groups and plural names of the kinds that tests make. */
const RESOURCES: Readonly<Record<string, readonly [prefix: string, plural: string]>> = {
  Namespace: ['/api/v1', 'namespaces'],
  Pod: ['/api/v1', 'pods'],
  Secret: ['/api/v1', 'secrets'],
  Service: ['/api/v1', 'services'],
  ServiceAccount: ['/api/v1', 'serviceaccounts'],
  Deployment: ['/apis/apps/v1', 'deployments'],
  CustomResourceDefinition: ['/apis/apiextensions.k8s.io/v1', 'customresourcedefinitions'],
  ClusterRole: ['/apis/rbac.authorization.k8s.io/v1', 'clusterroles'],
  ClusterRoleBinding: ['/apis/rbac.authorization.k8s.io/v1', 'clusterrolebindings'],
  Role: ['/apis/rbac.authorization.k8s.io/v1', 'roles'],
  RoleBinding: ['/apis/rbac.authorization.k8s.io/v1', 'rolebindings'],
  MutatingWebhookConfiguration: ['/apis/admissionregistration.k8s.io/v1', 'mutatingwebhookconfigurations'],
  ValidatingWebhookConfiguration: [
    '/apis/admissionregistration.k8s.io/v1',
    'validatingwebhookconfigurations',
  ],
  NetworkPolicy: ['/apis/networking.k8s.io/v1', 'networkpolicies'],
  PodDisruptionBudget: ['/apis/policy/v1', 'poddisruptionbudgets'],
  MeshService: ['/apis/roost.dev/v1alpha1', 'meshservices'],
};

/** The path at which objects of a kind are made. */
export function collectionOf({
  kind,
  metadata,
}: {
  readonly kind: string;
  readonly metadata: { readonly namespace?: string };
}): string {
  const [prefix, plural] = RESOURCES[kind] ?? [];
  if (prefix === undefined) throw new Error(`${kind} has no path yet`);
  const { namespace } = metadata;
  return namespace === undefined ? `${prefix}/${plural}` : `${prefix}/namespaces/${namespace}/${plural}`;
}

/** A real API server on an etcd of its own, without nodes: objects are stored and admitted, and nothing runs. */
export class ApiServer {
  private constructor(
    readonly admin: KubeClient,
    private readonly folder: string,
    private readonly url: string,
  ) {}

  static async start(t: Owner): Promise<ApiServer> {
    const etcd = await EtcdCluster.start(t);
    const folder = await temporaryFolder(t);
    const [port = 0] = await freePorts(1);
    const accounts = join(folder, 'accounts.key');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(accounts, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    writeFileSync(join(folder, 'tokens.csv'), `${ADMIN_TOKEN},admin,1,system:masters\n`);
    const child = spawn(
      pathOf(PEER),
      [
        `--etcd-servers=http://${etcd.endpoints[0]}`,
        `--secure-port=${port}`,
        '--bind-address=127.0.0.1',
        `--cert-dir=${folder}`,
        `--token-auth-file=${join(folder, 'tokens.csv')}`,
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${accounts}`,
        `--service-account-signing-key-file=${accounts}`,
        '--authorization-mode=RBAC',
        '--service-cluster-ip-range=10.96.0.0/16',
        // No controller makes the accounts that it would ask for.
        '--disable-admission-plugins=ServiceAccount',
      ],
      { stdio: 'ignore' },
    );
    t.teardown(async () => {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    });
    const url = `https://127.0.0.1:${port}`;
    await eventually('the API server has its certificate', () => existsSync(join(folder, 'apiserver.crt')));
    const admin = await clientOf(folder, url, 'admin', ADMIN_TOKEN);
    await eventually('the API server is ready', async () => {
      const refusal = await refusalOf(admin.get('/api/v1/namespaces/default'));
      return refusal === undefined;
    });
    return new ApiServer(admin, folder, url);
  }

  /** A client with the rights of a service account. */
  async serviceAccount(namespace: string, name: string): Promise<KubeClient> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const made = await this.admin.post(path, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {},
    });
    return clientOf(this.folder, this.url, name, (made.status as { token: string }).token);
  }

  /** Makes every object of a manifest. */
  async create(manifest: string): Promise<void> {
    for (const document of parseAllDocuments(manifest)) {
      const object = document.toJS() as (KubeObject & Parameters<typeof collectionOf>[0]) | null;
      if (object !== null) await this.admin.post(collectionOf(object), object);
    }
  }
}

async function clientOf(folder: string, server: string, name: string, token: string): Promise<KubeClient> {
  const ca = (await readFile(join(folder, 'apiserver.crt'))).toString('base64');
  const file = join(folder, `${name}.kubeconfig`);
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: name } }],
    clusters: [{ name: 'c', cluster: { server, 'certificate-authority-data': ca } }],
    users: [{ name, user: { token } }],
  };
  writeFileSync(file, JSON.stringify(config));
  return KubeClient.fromKubeconfig(file, '');
}

/** What the API server says against a call; undefined: nothing. */
export async function refusalOf(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (error instanceof KubeError) return error.message;
    throw error;
  }
}
