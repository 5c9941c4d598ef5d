import t from 'tap';
import { SessionPins } from '../../../../sidecar/session/session-pins.js';
import { SessionTable } from '../../../../sidecar/session/session-table.js';
import type { Placement } from '../../../../src/routing/decide.js';
import type { Affinity } from '../../../../src/routing/table.js';
import { MeshTable } from '../../../support/mesh-table.js';

const [A, B, C] = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'].map((address) => ({ address })) as [
  { address: string },
  { address: string },
  { address: string },
];

function world() {
  const mesh = new MeshTable();
  mesh.apply({
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'checkout', namespace: 'shop' },
    spec: {
      port: 80,
      versions: [
        { name: 'v1', endpoints: [A, B, C] },
        { name: 'v2', endpoints: [{ address: '10.0.0.4:80' }] },
      ],
      routes: [
        {
          name: 'label',
          match: [{ headers: [{ name: 'x-canary', present: true }] }],
          split: [{ version: 'v2', weight: 1 }],
        },
        {
          name: 'default',
          split: [
            { version: 'v1', weight: 1 },
            { version: 'v2', weight: 0 },
          ],
        },
      ],
      affinity: { key: [{ header: 'x-user-id' }], version: 'persistent', endpoint: 'persistent' },
    },
  });
  const pins = new SessionPins(new SessionTable(100, 0), () => 0);
  /** A request of the session, placed with nothing known of it, or with this pin. */
  const placed = (labelled: boolean): Placement => {
    const headers: [string, string][] = [
      ['x-user-id', 'ann'],
      ...(labelled ? [['x-canary', '1'] as [string, string]] : []),
    ];
    const placement = new MeshTableView(mesh).place(headers);
    if (placement.endpoint === undefined) throw new Error('no endpoint');
    return placement;
  };
  const found = (placement: Placement) =>
    pins.find(placement.route.affinity as Affinity, placement.session?.hash as bigint);
  const digestOf = (placement: Placement, { address }: { address: string }) =>
    placement.route.affinity?.digests.pin(placement.pinTo as NonNullable<Placement['pinTo']>, address);
  return { pins, placed, found, digestOf };
}

/** Places requests and keeps no pins: what becomes of them is the test's to say. */
class MeshTableView {
  constructor(private readonly mesh: MeshTable) {}

  place(headers: [string, string][]) {
    this.mesh.pins.clear();
    return this.mesh.send('checkout.shop', { headers });
  }
}

t.test(
  'of two requests at once, the later answer does not move the session within its release',
  async (t) => {
    const { pins, placed, found, digestOf } = world();
    const [first, second] = [placed(false), placed(false)];
    pins.keep(first, B);
    pins.keep(second, C);
    t.strictSame(found(first), digestOf(first, B));
  },
);

t.test('a pin that the request came with gives way to the endpoint that answered', async (t) => {
  const { pins, placed, found, digestOf } = world();
  const first = placed(false);
  pins.keep(first, A);
  const pin = found(first);
  t.ok(pin);
  const moved = { ...placed(false), pin };
  pins.keep(moved, B);
  t.strictSame(found(first), digestOf(first, B));
});

t.test('a label, or another release, is not kept out by what was answered before it', async (t) => {
  const { pins, placed, found, digestOf } = world();
  const [plain, labelled] = [placed(false), placed(true)];
  pins.keep(plain, A);
  pins.keep(labelled, { address: '10.0.0.4:80' });
  t.strictSame(found(plain), digestOf(labelled, { address: '10.0.0.4:80' }));
});
