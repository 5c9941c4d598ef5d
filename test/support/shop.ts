/** `checkout` of namespace `shop`, with as many releases and pods as a test wants. */
export interface ShopOptions {
  readonly split?: Readonly<Record<string, number>>;
  /** Number of pods of each release. Pod 1 of v2 is 10.0.2.1:80. */
  readonly pods?: Readonly<Record<string, number>>;
  readonly affinity?: object | undefined;
  /** Routes before the default one. */
  readonly routes?: readonly object[];
  readonly spec?: object;
}

export const USER_KEY = [{ header: 'x-user-id' }];

export function checkout(options: ShopOptions = {}): {
  apiVersion: string;
  kind: string;
  metadata: object;
  spec: object;
} {
  const { split = { v1: 90, v2: 10 }, pods = { v1: 2, v2: 2 } } = options;
  return {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'checkout', namespace: 'shop' },
    spec: {
      port: 8080,
      versions: Object.entries(pods).map(([name, count]) => ({ name, endpoints: podsOf(name, count) })),
      routes: [
        ...(options.routes ?? []),
        { name: 'default', split: Object.entries(split).map(([version, weight]) => ({ version, weight })) },
      ],
      ...(options.affinity ? { affinity: { key: USER_KEY, ...options.affinity } } : {}),
      ...options.spec,
    },
  };
}

export function podsOf(release: string, count: number, network = 0): { address: string }[] {
  const number = Number(release.replace(/\D/g, ''));
  return Array.from({ length: count }, (_, i) => ({ address: `10.${network}.${number}.${i + 1}:80` }));
}

/** A route by label: requests with `x-region: us-east` go to one release. */
export function labelled(version: string, extra: object = {}): object {
  return {
    name: 'qa',
    match: [{ headers: [{ name: 'x-region', exact: 'us-east' }] }],
    split: [{ version, weight: 1 }],
    ...extra,
  };
}

export const user = (n: number | string) => [['x-user-id', `user-${n}`]] as const;
export const labelledUser = (n: number | string) => [...user(n), ['x-region', 'us-east']] as const;

/** Any service, by `name.namespace`, with one endpoint for each version unless the spec says otherwise. */
export function meshService(
  fullName: string,
  split: Readonly<Record<string, number>> = { v1: 1 },
  spec: object = {},
): object {
  const [name, namespace] = fullName.split('.');
  return {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name, namespace },
    spec: {
      port: 8080,
      versions: Object.keys(split).map((version) => ({ name: version, endpoints: podsOf(version, 1) })),
      routes: [
        {
          name: 'default',
          split: Object.entries(split).map(([version, weight]) => ({ version, weight })),
        },
      ],
      ...spec,
    },
  };
}
