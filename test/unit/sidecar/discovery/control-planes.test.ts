import t from 'tap';
import { ControlPlanes } from '../../../../sidecar/discovery/control-planes.js';
import { INSECURE } from '../../../../src/access/channel-security.js';

const targets = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    address: { host: '127.0.0.1', port: 1 + i },
    security: INSECURE,
  }));

t.test('which comes first is drawn, the others follow in order', async (t) => {
  for (const [drawn, names] of [
    [0, [1, 2, 3, 1]],
    [0.5, [2, 3, 1, 2]],
    [0.999, [3, 1, 2, 3]],
  ] as const) {
    const all = new ControlPlanes(targets(3), () => drawn);
    const seen = names.map(() => {
      const { name } = all;
      all.turn();
      return name;
    });
    t.same(
      seen,
      names.map((port) => `127.0.0.1:${port}`),
    );
    all.close();
  }
});

t.test('it is time to wait when all have failed since one last answered', async (t) => {
  const three = new ControlPlanes(targets(3), () => 0);
  t.same([three.turn(), three.turn(), three.turn(), three.turn()], [false, false, true, true]);
  three.answered();
  t.same([three.turn(), three.turn(), three.turn()], [false, false, true]);
  three.close();
  const one = new ControlPlanes(targets(1));
  t.same([one.turn(), one.name], [true, '127.0.0.1:1'], 'alone, it is waited for at once');
  t.equal(one.isBetterTurned, false);
  one.close();
});

t.test('another one is better than one that there is no connection to', async (t) => {
  const two = new ControlPlanes(targets(2), () => 0);
  t.equal(two.isBetterTurned, true);
  two.close();
});
