import fc from 'fast-check';
import t from 'tap';
import { refusalsIn } from '../../../../control-plane/translate/refusals.js';
import { translateService } from '../../../../control-plane/translate/service.js';
import { type MeshService, parseMeshService } from '../../../../src/model/mesh-service.js';
import { formatProblem } from '../../../../src/model/problems.js';
import { acceptedPart, randomDocument } from '../../../support/random-documents.js';
import { meshService } from '../../../support/shop.js';

const NO_SECRETS = { pinSecret: Buffer.alloc(32), incarnation: () => '' };
const refusalsOf = (service: MeshService) => refusalsIn(service, translateService(service, NO_SECRETS));

t.test('whatever the schema accepts, sidecars accept', async (t) => {
  let accepted = 0;
  fc.assert(
    fc.property(randomDocument('checkout'), (document) => {
      const part = acceptedPart(document);
      if (part === undefined) return;
      accepted++;
      const problems = refusalsOf(part.service).map(formatProblem);
      if (problems.length > 0) throw new Error(problems.join('\n'));
    }),
    { numRuns: Number(process.env.RUNS ?? 60) },
  );
  t.ok(accepted > 50, `${accepted} documents were accepted by the schema`);
});

/** What no schema would let through. */
function withSpec(spec: object): MeshService {
  const service = parseMeshService(meshService('checkout.shop', { v1: 1 }));
  return { ...service, spec: { ...service.spec, ...spec } as MeshService['spec'] };
}

t.test('what sidecars would refuse is a problem of the document, at its place', async (t) => {
  const split = [{ version: 'v1', weight: 1 }];
  const match = (regex: string) => ({ path: { regex }, headers: [], query: [], cookies: [] });
  const cases: [object, RegExp][] = [
    [
      { timeouts: { connect: 0 } },
      /^spec\.timeouts\.connect: sidecars would refuse this: connect_timeout: 0 s /,
    ],
    [{ outlier: { interval: -1 } }, /^spec\.outlier: sidecars would refuse this: outlier_detection\.base/],
    [
      { versions: [{ name: 'v1', endpoints: [{ address: '10.0.0.1:80', weight: 0 }] }] },
      /^spec\.versions\[0\]\.endpoints: sidecars would refuse this: /,
    ],
    [
      {
        routes: [
          { name: 'a', match: [match('/a'), match('/b')], split, pin: true },
          { name: 'b', match: [match('/(')], split, pin: true },
        ],
      },
      /^spec\.routes\[1\]: sidecars would refuse this: virtual_hosts\[0\]\.routes\[2\]\.match\S*: is not an RE2 /,
    ],
  ];
  for (const [spec, expected] of cases)
    t.match(refusalsOf(withSpec(spec)).map(formatProblem).join('\n'), expected, JSON.stringify(spec));
  t.same(refusalsOf(withSpec({})), []);
});
