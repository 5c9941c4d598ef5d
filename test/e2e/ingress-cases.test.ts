import t from 'tap';
import { CASES } from '../support/ingress/cases.js';
import { MeshWorld, startSharedMesh } from '../support/ingress/mesh-world.js';

/** The cases of ingress-nginx through a control plane, a sidecar and pods; each has a namespace of its own. */
const shared = await startSharedMesh(t, ['c.case-34.svc.cluster.local:80']);

for (const { id, given, there, here, run } of CASES) {
  const expected = here ? `${here.answer}, not ${there}` : there;
  t.test(`${id}: ${given}: ${expected}`, (t) => run(new MeshWorld(t, shared, `case-${id.toLowerCase()}`), t));
}
