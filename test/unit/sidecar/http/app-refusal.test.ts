import t from 'tap';
import { AppRefusals } from '../../../../sidecar/http/app-refusal.js';
import { sidecarKeyOf } from '../../../../src/api/store-identity.js';

const ADDRESS = '10.0.1.11:15006';
const withKey = (secret: string) =>
  Object.assign(new AppRefusals(), { key: Buffer.from(sidecarKeyOf(Buffer.from(secret)), 'base64url') });
const macIn = (refusals: AppRefusals) => refusals.field(ADDRESS, 'id-1')?.[1] ?? '';

t.test(
  'is believed of the address that was called, for the request that was sent, with the key',
  async (t) => {
    const said = macIn(withKey('mesh'));
    t.ok(withKey('mesh').isTrue(said, ADDRESS, 'id-1'));
    t.notOk(withKey('mesh').isTrue(said, '10.0.1.12:15006', 'id-1'), 'another pod');
    t.notOk(withKey('mesh').isTrue(said, ADDRESS, 'id-2'), 'another request');
    t.notOk(withKey('other').isTrue(said, ADDRESS, 'id-1'), 'another mesh');
    for (const wrong of ['', said.slice(1), `${said}A`, said.toLowerCase(), 'é'.repeat(43)])
      t.notOk(withKey('mesh').isTrue(wrong, ADDRESS, 'id-1'), JSON.stringify(wrong));
  },
);

t.test('without a key, nothing is said and nothing believed', async (t) => {
  const none = new AppRefusals();
  t.equal(none.field(ADDRESS, 'id-1'), undefined);
  t.notOk(none.isTrue(macIn(withKey('mesh')), ADDRESS, 'id-1'));
  t.notOk(none.isTrue('', ADDRESS, 'id-1'));
});
