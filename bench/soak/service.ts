import { toStruct } from '../../src/api/struct.js';
import type { ControlPlaneClient } from '../../src/cli/client.js';
import type { Certificate } from '../backends/backends.js';
import { AUTHORITY, CANARY_SHARE, KEY_HEADER } from '../workloads.js';
import { RELEASES } from './faults.js';
import type { Pod } from './pods.js';

/** What the canary weighs at first, of 100. */
export const FIRST_CANARY_WEIGHT = CANARY_SHARE * 100;

/** The service under load, as the control plane has it. */
export class SoakService {
  /** Changes made so far. */
  changes = 0;
  private canaryWeight = FIRST_CANARY_WEIGHT;

  constructor(
    private readonly client: ControlPlaneClient,
    private readonly pods: readonly Pod[],
    private readonly certificate: Certificate | undefined,
  ) {}

  /** Applies the whole service, with those pods that are configured. */
  async apply(): Promise<void> {
    this.changes++;
    const request = { documents: [toStruct(this.document())] };
    await this.settled((await this.client.call<{ revision: number }>('Apply', request)).revision);
  }

  /** Both releases stay in the split, so that no session has a reason to leave its own (SEMANTICS S2, S4). */
  async split(canaryWeight: number): Promise<void> {
    this.changes++;
    this.canaryWeight = canaryWeight;
    const request = { name: AUTHORITY, split: splitOf(canaryWeight) };
    await this.settled((await this.client.call<{ revision: number }>('Split', request)).revision);
  }

  private document(): object {
    const { certFile: caFile } = this.certificate ?? {};
    const tls = caFile === undefined ? {} : { tls: { serverName: AUTHORITY, caFile } };
    return serviceDocument(this.pods, this.canaryWeight, tls);
  }

  /** Returns when the sidecar has taken a revision. @throws Error when it refuses it */
  private async settled(revision: number): Promise<void> {
    const progress = this.client.stream<{ rejections: readonly object[] }>('Await', {
      revision,
      timeoutMs: 10_000,
    });
    for await (const { rejections } of progress)
      if (rejections.length > 0)
        throw new Error(`the sidecar refused revision ${revision}: ${JSON.stringify(rejections)}`);
  }
}

function splitOf(canaryWeight: number): object[] {
  return [
    { version: 'v1', weight: 100 - canaryWeight },
    { version: 'v2', weight: canaryWeight },
  ];
}

/**
 * Sessions by header or cookie, persistent; retries for what may be sent twice. The retry budget is as wide as the
 * load, because a killed pod takes a third of all requests under way with it at once, and a soak that let the
 * budget refuse them could not tell that from a retry forgotten.
 */
function serviceDocument(pods: readonly Pod[], canaryWeight: number, tls: object): object {
  const [name, namespace] = AUTHORITY.split('.');
  return {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name, namespace },
    spec: {
      port: 80,
      stable: 'v1',
      versions: RELEASES.map((release) => ({ name: release, endpoints: endpointsOf(pods, release) })),
      routes: [
        {
          name: 'default',
          split: splitOf(canaryWeight),
          timeout: '50s',
          retries: { attempts: 2, on: ['connect-failure', 'reset'] },
        },
      ],
      affinity: {
        key: [{ header: KEY_HEADER }, { cookie: { name: 'roost-soak' } }],
        version: 'persistent',
        endpoint: 'persistent',
      },
      // A machine that is too busy to connect is no endpoint that does not answer.
      timeouts: { connect: '10s' },
      limits: { retryBudget: { percent: 100, minimum: 1000 } },
      ...tls,
    },
  };
}

function endpointsOf(pods: readonly Pod[], release: string): object[] {
  return pods.filter((pod) => pod.release === release && pod.configured).map(({ address }) => ({ address }));
}
