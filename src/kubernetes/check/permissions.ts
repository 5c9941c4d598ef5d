import { at, type CheckContext, type Finding, ok, wrong } from './finding.js';

/** A verb on a resource, as RBAC has it. */
interface Permission {
  readonly group: string;
  readonly resource: string;
  readonly name?: string;
  readonly verb: string;
  /** Only in the control plane's namespace. */
  readonly own?: boolean;
}

const CONFIGURATIONS = ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'];

/** What `--kubernetes` follows: group and resource. */
const DISCOVERED = [
  ['', 'services'],
  ['', 'pods'],
  ['discovery.k8s.io', 'endpointslices'],
  ['roost.dev', 'meshservices'],
] as const;

/** What the control plane's service account must be allowed; deploy/helm/roost grants the same. */
export const REQUIRED_PERMISSIONS: readonly Permission[] = [
  ...['get', 'update'].map((verb) => ({
    group: '',
    resource: 'secrets',
    name: 'roost-webhook',
    verb,
    own: true,
  })),
  ...DISCOVERED.flatMap(([group, resource]) => ['list', 'watch'].map((verb) => ({ group, resource, verb }))),
  ...CONFIGURATIONS.flatMap((resource) =>
    ['get', 'patch'].map((verb) => ({
      group: 'admissionregistration.k8s.io',
      resource,
      name: 'roost',
      verb,
    })),
  ),
];

/** Asks the API server what the control plane may do. */
export async function checkPermissions({ api, namespace }: CheckContext): Promise<Finding[]> {
  const user = `system:serviceaccount:${namespace}:roost-control-plane`;
  const denied: string[] = [];
  for (const { group, resource, name, verb, own } of REQUIRED_PERMISSIONS) {
    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user,
        resourceAttributes: { group, resource, verb, ...(name && { name }), ...(own && { namespace }) },
      },
    };
    const answer = await api.post('/apis/authorization.k8s.io/v1/subjectaccessreviews', review);
    if (at(answer, 'status', 'allowed') !== true)
      denied.push(`${verb} ${resource}${name ? ` "${name}"` : ''}`);
  }
  if (denied.length === 0) return [ok('the control plane has the permissions that it needs')];
  return [
    wrong(
      `the control plane may not ${denied.join(', ')}`,
      'apply the Role and ClusterRole of deploy/kubernetes/roost.yaml again',
    ),
  ];
}
