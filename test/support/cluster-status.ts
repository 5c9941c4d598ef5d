/** What `/clusters` of the admin port shows of an endpoint. */
export interface EndpointStatus {
  readonly address: string;
  readonly healthy: boolean;
  /** Why it is not; `healthy` or `degraded`: it is. */
  readonly status: string;
  /** As the control plane says. */
  readonly announced: string;
  readonly ejected: boolean;
  readonly ejections: number;
  readonly failingChecks: boolean;
  readonly lastCheck?: string;
  readonly activeRequests: number;
  readonly connections: number;
  readonly requests: number;
}

/** The same of a cluster. */
export interface ClusterStatus {
  readonly name: string;
  readonly panicking: boolean;
  readonly requests: number;
  readonly connections: number;
  readonly pending: number;
  readonly retries: number;
  readonly retriesRefused: number;
  readonly shed: Readonly<Record<string, number>>;
  readonly endpoints: readonly EndpointStatus[];
}

/** @param admin the sidecar's admin address. @throws Error where it has no such cluster */
export async function clusterStatus(admin: string, cluster: string): Promise<ClusterStatus> {
  const response = await fetch(`http://${admin}/clusters`);
  const { clusters } = (await response.json()) as { clusters: ClusterStatus[] };
  const found = clusters.find(({ name }) => name === cluster);
  if (found === undefined) throw new Error(`no cluster ${cluster} among ${clusters.map(({ name }) => name)}`);
  return found;
}
