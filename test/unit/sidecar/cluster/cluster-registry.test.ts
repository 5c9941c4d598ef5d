import t from 'tap';
import { quietRegistry } from '../../../support/cluster-registry.js';

t.test(
  'a late word that a cluster is gone, which nothing names any more, leaves nothing behind',
  async (t) => {
    const clusters = quietRegistry(() => 0);
    clusters.keep(['shop/cart/v2']);
    clusters.letGo(['shop/cart/v2']);
    clusters.remove('shop/cart/v2');
    t.equal(clusters.size, 0);
    // Or else routes that name it again would be in force before it has come again.
    clusters.keep(['shop/cart/v2']);
    t.notOk(clusters.isResolved('shop/cart/v2'));
    clusters.remove('shop/cart/v2');
    t.ok(clusters.isResolved('shop/cart/v2'));
  },
);
