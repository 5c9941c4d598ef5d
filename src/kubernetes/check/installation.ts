import { at, type CheckContext, type Finding, find, listAt, ok, textAt, warning, wrong } from './finding.js';

/** Native sidecars are on by default since 1.29, the hook `sleep` since 1.30. */
const OLDEST_MINOR = 30;

const INSTALL =
  'install it with "kubectl apply --server-side -f deploy/kubernetes/roost.yaml" (docs/kubernetes.md)';

export async function checkVersion({ api }: CheckContext): Promise<Finding[]> {
  const version = await api.get('/version');
  const minor = Number.parseInt(textAt(version, 'minor'), 10);
  const name = textAt(version, 'gitVersion');
  if (minor >= OLDEST_MINOR) return [ok(`Kubernetes ${name} has native sidecars and the hook sleep`)];
  return [
    wrong(
      `Kubernetes ${name} lacks native sidecars or the hook sleep`,
      `upgrade to 1.${OLDEST_MINOR} or later; for older clusters see docs/injection.md, "Classic container"`,
    ),
  ];
}

export async function checkControlPlane({ api, namespace, version }: CheckContext): Promise<Finding[]> {
  const deployment = await find(api, `/apis/apps/v1/namespaces/${namespace}/deployments/roost-control-plane`);
  if (deployment === undefined)
    return [
      wrong(
        `there is no Deployment roost-control-plane in namespace ${namespace}`,
        `${INSTALL}, or name its namespace with --namespace`,
      ),
    ];
  return [...readyReplicas(deployment, namespace), imageVersion(deployment, version)];
}

function readyReplicas(deployment: object, namespace: string): Finding[] {
  const wanted = Number(at(deployment, 'spec', 'replicas') ?? 1);
  const ready = Number(at(deployment, 'status', 'readyReplicas') ?? 0);
  const what = `${ready} of ${wanted} control planes are ready`;
  if (ready === wanted && wanted > 0) return [ok(what)];
  const remedy = `see "kubectl -n ${namespace} describe pods" and "kubectl -n ${namespace} logs deployment/roost-control-plane"`;
  return [ready === 0 ? wrong(what, remedy) : warning(what, remedy)];
}

function imageVersion(deployment: object, version: string): Finding {
  const image = textAt(listAt(deployment, 'spec', 'template', 'spec', 'containers')[0], 'image');
  const tag = tagOf(image);
  if (tag === version) return ok(`the control plane and this command are of version ${version}`);
  return warning(
    `the control plane runs ${image}, and this command is of version ${version}`,
    'use the command of the same version, or upgrade the control plane (docs/upgrades.md)',
  );
}

/** `registry:5000/roost:1.2.3@sha256:…` → `1.2.3` */
export function tagOf(image: string): string {
  return /:([\w][\w.-]*)(?:@.*)?$/.exec(image)?.[1] ?? '';
}

export async function checkDefinition({ api }: CheckContext): Promise<Finding[]> {
  const crd = await find(
    api,
    '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/meshservices.roost.dev',
  );
  if (crd === undefined) return [wrong('the definition of MeshService is missing', INSTALL)];
  const problem = listAt(crd, 'status', 'conditions').find(
    ({ type, status }) =>
      (type === 'Established' && status !== 'True') || (type === 'NonStructuralSchema' && status === 'True'),
  );
  if (problem !== undefined)
    return [
      wrong(
        `the definition of MeshService is not in force: ${textAt(problem, 'message')}`,
        'apply that of this version again',
      ),
    ];
  return [ok('the definition of MeshService is in force')];
}
