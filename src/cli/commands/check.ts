import type { Command } from 'commander';
import { checkInstallation } from '../../kubernetes/check/check-installation.js';
import type { Finding } from '../../kubernetes/check/finding.js';
import { KubeClient, KubeError } from '../../kubernetes/kube-client.js';
import { VERSION } from '../../version.js';
import { CommandError } from '../exit.js';
import { addFlags, type Flags, readFlags, text } from '../flags.js';
import { print, printJson } from '../terminal.js';
import { OUTPUT_FLAG } from './shared.js';

const FLAGS = {
  kubeconfig: {
    name: 'kubeconfig',
    argument: 'FILE',
    help: 'kubeconfig; without it, KUBECONFIG or ~/.kube/config',
    default: '',
    parse: text,
  },
  context: {
    name: 'context',
    argument: 'NAME',
    help: 'context of the kubeconfig; without it, the current one',
    default: '',
    parse: text,
  },
  namespace: {
    name: 'namespace',
    short: 'n',
    argument: 'NAME',
    help: 'namespace of the control plane',
    default: 'roost-system',
    parse: text,
  },
  ...OUTPUT_FLAG,
} as const satisfies Flags;

const HELP = `
Looks at the version of Kubernetes, the control plane, the definition of
MeshService, permissions, webhooks and their certificates, injection (by a pod
that is not kept), pods without a sidecar or with an old one, redirect rules,
and clocks. It changes nothing.

Exit code: 0 nothing is wrong (there may be warnings), 1 something is wrong or
the cluster was not reached.

Example:
  roost check --context production`;

export function addCheck(program: Command): void {
  const command = program
    .command('check')
    .summary('say what is wrong with an installation on Kubernetes')
    .description('Says what is wrong with an installation on Kubernetes, and what to do about it.')
    .addHelpText('after', HELP);
  addFlags(command, FLAGS).action(async () => {
    const { kubeconfig, context, namespace, output } = readFlags(command, FLAGS);
    const findings = await look(kubeconfig, context, namespace);
    if (output === 'json') printJson({ findings });
    else for (const finding of findings) print(describe(finding));
    const wrong = findings.filter(({ level }) => level === 'wrong').length;
    if (wrong > 0) throw new CommandError(`${wrong} ${wrong === 1 ? 'thing is' : 'things are'} wrong`);
  });
}

async function look(kubeconfig: string, context: string, namespace: string): Promise<Finding[]> {
  try {
    const api = await KubeClient.fromKubeconfig(kubeconfig, context);
    return await checkInstallation({ api, namespace, version: VERSION, nowMs: Date.now() });
  } catch (error) {
    if (error instanceof KubeError) throw new CommandError(error.message);
    throw error;
  }
}

const MARKS = { ok: 'ok      ', warning: 'warning ', wrong: 'wrong   ' } as const;

function describe({ level, what, remedy }: Finding): string {
  return `${MARKS[level]}${what}${remedy === undefined ? '' : `\n        → ${remedy}`}`;
}
