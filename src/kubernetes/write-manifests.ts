import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatYaml } from '../cli/format-yaml.js';
import { meshServiceCrd } from './mesh-service-crd.js';

/**
 * `npm run manifests`: writes the CustomResourceDefinition of the Helm chart from the schema, and
 * `deploy/kubernetes/roost.yaml` from the chart, with the `helm` of HELM or of the path.
 */

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');

/** Of the chart, from the project's folder. */
const CRD_FILE = 'deploy/helm/roost/files/meshservice-crd.yaml';
const INSTALL_FILE = 'deploy/kubernetes/roost.yaml';

const CRD_HEADER = '# Made by "npm run manifests" from src/model/schema.ts.\n';
const INSTALL_HEADER = `# Installs Roost: kubectl apply -f roost.yaml (docs/kubernetes.md).
# Made by "npm run manifests" from deploy/helm/roost; change the chart instead.
apiVersion: v1
kind: Namespace
metadata:
  name: roost-system
`;

/** The file of the chart that holds the CustomResourceDefinition. */
export function crdFile(): string {
  return CRD_HEADER + formatYaml(meshServiceCrd());
}

/** The file that installs everything. @throws where `helm` is not there, or refuses the chart */
export function installFile(helm: string): string {
  const args = ['template', 'roost', join(root, 'deploy/helm/roost'), '--namespace', 'roost-system'];
  // Without a cluster, helm takes the chart for one of a version of its own.
  args.push('--kube-version', '1.33.0');
  return `${INSTALL_HEADER}${execFileSync(helm, args, { encoding: 'utf8' })}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(join(root, CRD_FILE), crdFile());
  writeFileSync(join(root, INSTALL_FILE), installFile(process.env.HELM ?? 'helm'));
}
