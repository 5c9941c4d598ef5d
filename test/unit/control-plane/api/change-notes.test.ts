import t from 'tap';
import { elsewhereNotes, promotionNotes } from '../../../../control-plane/api/change-notes.js';
import type { ServiceChange } from '../../../../control-plane/store/history.js';
import type { MeshServiceInput } from '../../../../src/model/schema.js';
import { checkout, labelled } from '../../../support/shop.js';

const withStable = (stable: string, routes: object[] = []) => {
  const document = checkout({ split: { [stable]: 1 }, routes }) as unknown as MeshServiceInput;
  return { ...document, spec: { ...document.spec, stable } };
};

const change = (revision: number, action: string, from: string, to: string): ServiceChange => ({
  revision,
  at: '2026-11-22T12:00:00.000Z',
  action,
  by: { origin: 'api', name: 'ann', peer: '10.0.0.3' },
  key: 'shop/checkout',
  before: { document: withStable(from), revision: revision - 1 },
  after: withStable(to),
  grantAfter: undefined,
});

t.test('an abort after a promotion names what takes the promotion back', async (t) => {
  const promotion = change(7, 'promote v2', 'v1', 'v2');
  t.same(promotionNotes('shop/checkout', [promotion]), [
    'v2 is stable since revision 7 ("promote v2" by ann (10.0.0.3)), and has all traffic; back to v1: roost undo checkout.shop',
  ]);
  const later = change(8, 'split', 'v2', 'v2');
  t.match(promotionNotes('shop/checkout', [later, promotion]), [
    /back to v1: roost undo checkout.shop --to 6$/,
  ]);
  t.same(promotionNotes('shop/checkout', [later]), [], 'nothing made another release stable');
  t.same(promotionNotes('shop/checkout', [{ ...later, before: null }]), [], 'it was created so');
});

t.test(
  'routes that go on leading elsewhere are listed, with their conditions and what ends them',
  async (t) => {
    t.same(elsewhereNotes(withStable('v1', [labelled('v2')]), 'do this'), [
      'still led elsewhere than v1: route "qa" (x-region=us-east) to v2; do this',
    ]);
    t.same(elsewhereNotes(withStable('v2', [labelled('v2')])), []);
  },
);
