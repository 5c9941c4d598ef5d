import { KubeError } from '../kube-client.js';
import { checkClocks } from './clocks.js';
import { type Check, type CheckContext, type Finding, warning, wrong } from './finding.js';
import { checkControlPlane, checkDefinition, checkVersion } from './installation.js';
import { checkPermissions } from './permissions.js';
import { checkPods } from './pods.js';
import { checkInjection, checkWebhooks } from './webhooks.js';

/** What is looked at, in the order in which an operator would. */
const CHECKS: Readonly<Record<string, Check>> = {
  'Kubernetes version': checkVersion,
  'control plane': checkControlPlane,
  'definition of MeshService': checkDefinition,
  permissions: checkPermissions,
  'webhook configurations': checkWebhooks,
  injection: checkInjection,
  pods: checkPods,
  clocks: checkClocks,
};

/**
 * Everything that can be said of an installation. A check that this user may not make is a warning; the others go on.
 *
 * @throws KubeError where the API server is not reached, or does not know the user
 */
export async function checkInstallation(context: CheckContext): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [name, check] of Object.entries(CHECKS)) {
    try {
      findings.push(...(await check(context)));
    } catch (error) {
      if (!(error instanceof KubeError) || error.status === 0 || error.status === 401) throw error;
      findings.push(notChecked(name, error));
    }
  }
  return findings;
}

function notChecked(name: string, { status, message }: KubeError): Finding {
  if (status === 403)
    return warning(
      `not checked: ${name} (${message})`,
      'ask as a user who may read that, such as a cluster-admin',
    );
  return wrong(
    `not checked: ${name}: the API server answered ${status}: ${message}`,
    'try again; see the log of the API server',
  );
}
