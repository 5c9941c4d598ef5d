import fc from 'fast-check';
import t from 'tap';
import { translateService } from '../../../../control-plane/translate/service.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { codec } from '../../../../src/xds/descriptors.js';
import { message, messages, wrapped } from '../../../../src/xds/fields.js';
import { messageNameOf } from '../../../../src/xds/resource-types.js';
import { checkout } from '../../../support/shop.js';

const context = { pinSecret: Buffer.alloc(32), incarnation: () => '' };
const weights = fc.array(fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 1_000_000 })), {
  minLength: 2,
  maxLength: 6,
});

t.test('S2: whatever the weights are, clients without our payload are told of 10,000 slots', async () => {
  fc.assert(
    fc.property(
      weights.filter((all) => all.some((weight) => weight > 0)),
      (all) => {
        const named = Object.fromEntries(all.map((weight, i) => [`v${i + 1}`, weight]));
        const pods = Object.fromEntries(all.map((_, i) => [`v${i + 1}`, 1]));
        const { localRoutes } = translateService(parseMeshService(checkout({ split: named, pods })), context);
        const raw = codec(messageNameOf('route')).decode(localRoutes.bytes);
        const [route] = messages(messages(raw.virtualHosts)[0]?.routes);
        const weighted = message(message(route?.route)?.weightedClusters);
        const told = messages(weighted?.clusters).map(({ weight }) => wrapped(weight) ?? 0);
        const sum = told.reduce((total, weight) => total + weight, 0);
        return told.length === all.length && sum === 10_000 && wrapped(weighted?.totalWeight) === 10_000;
      },
    ),
    { numRuns: 100 },
  );
});
