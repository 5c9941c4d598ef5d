import { type CheckContext, type Finding, listAll, namesOf, ok, textAt, warning } from './finding.js';

/** Kubelets renew their leases every ten seconds, and a node counts as lost after forty. */
const MOST_BEHIND_MS = 60_000;
const MOST_AHEAD_MS = 10_000;

/** Certificates and sessions end by the clock: every kubelet writes its own time into its node's lease. */
export async function checkClocks({ api, nowMs }: CheckContext): Promise<Finding[]> {
  const leases = await listAll(api, '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases');
  const times = leases.map((lease) => ({
    node: textAt(lease, 'metadata', 'name'),
    ms: Date.parse(textAt(lease, 'spec', 'renewTime')),
  }));
  const ahead = times.filter(({ ms }) => ms - nowMs > MOST_AHEAD_MS).map(({ node }) => node);
  const behind = times.filter(({ ms }) => nowMs - ms > MOST_BEHIND_MS).map(({ node }) => node);
  const findings = [
    ...(ahead.length === 0
      ? []
      : [
          warning(
            `the clocks of nodes are ahead of this machine's: ${namesOf(ahead)}`,
            'synchronize clocks (NTP); certificates would count as not yet valid',
          ),
        ]),
    ...(behind.length === 0
      ? []
      : [
          warning(
            `nodes have not reported for a minute, or their clocks are behind: ${namesOf(behind)}`,
            'see "kubectl get nodes", and synchronize clocks (NTP)',
          ),
        ]),
  ];
  return findings.length > 0
    ? findings
    : [ok(`the clocks of nodes agree with this machine's: ${times.length}`)];
}
