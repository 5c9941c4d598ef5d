import fc from 'fast-check';
import t from 'tap';
import { DeltaRequests, NO_LISTS } from '../../../../control-plane/ads/delta-request.js';
import { codec } from '../../../../src/xds/descriptors.js';
import { TYPE_URL } from '../../../../src/xds/resource-types.js';

const REQUEST = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest');
const encode = (fields: object) => REQUEST.encode(fields);

t.test('an acknowledgement names nothing', async (t) => {
  const requests = new DeltaRequests();
  const request = requests.read(encode({ typeUrl: TYPE_URL.route, responseNonce: '17' }));
  t.equal(request.lists, NO_LISTS);
  t.match(request, { typeUrl: TYPE_URL.route, responseNonce: '17', node: undefined, errorDetail: undefined });
  const refusal = requests.read(
    encode({ typeUrl: TYPE_URL.route, responseNonce: '18', errorDetail: { code: 3, message: 'no' } }),
  );
  t.match(refusal.errorDetail, { code: 3, message: 'no' });
  t.equal(refusal.lists, NO_LISTS);
});

t.test('what clients name in the same words is decoded once', async (t) => {
  const requests = new DeltaRequests();
  const lists = {
    resourceNamesSubscribe: ['a', 'b'],
    resourceNamesUnsubscribe: ['c'],
    initialResourceVersions: { a: '1' },
  };
  const from = (id: string, more: object = {}) =>
    requests.read(encode({ node: { id }, typeUrl: TYPE_URL.route, ...lists, ...more }));
  const [one, other] = [from('one'), from('other', { responseNonce: '5' })];
  t.equal(one.lists, other.lists);
  t.same(one.lists.subscribe, ['a', 'b']);
  t.same(one.lists.unsubscribe, ['c']);
  t.same([...one.lists.held], [['a', '1']]);
  t.equal(other.node?.id, 'other');
  t.equal(other.responseNonce, '5');
  t.not(from('third', { initialResourceVersions: { a: '2' } }).lists, one.lists);
});

t.test('what was met longest ago is forgotten, and what is used is kept', async (t) => {
  const requests = new DeltaRequests();
  const ask = (name: string) => requests.read(encode({ resourceNamesSubscribe: [name] })).lists;
  const [first, second] = [ask('first'), ask('second')];
  for (let i = 0; i < 255; i++) {
    ask(`other-${i}`);
    t.equal(ask('first'), first);
  }
  t.not(ask('second'), second);
});

t.test('a list that is larger than all that may be remembered is read, and not kept', async (t) => {
  const requests = new DeltaRequests();
  const name = 'x'.repeat(1024 * 1024);
  const bytes = encode({ resourceNamesSubscribe: Array.from({ length: 33 }, (_, i) => `${i}${name}`) });
  t.equal(requests.read(bytes).lists.subscribe.length, 33);
  t.not(requests.read(bytes).lists, requests.read(bytes).lists);
  const small = encode({ resourceNamesSubscribe: ['a'] });
  t.equal(requests.read(small).lists, requests.read(small).lists, 'others still are');
});

t.test('bytes that are no request are refused', async (t) => {
  const requests = new DeltaRequests();
  for (const hex of ['ffffff', '0a05', '1a0a61', '12ff', '08'])
    t.throws(() => requests.read(Buffer.from(hex, 'hex')), hex);
});

t.test('however a request is put together, it reads as the whole of it does', async (t) => {
  const name = fc.string({ maxLength: 8 });
  const part = fc.oneof(
    fc.record({ node: fc.record({ id: name, userAgentName: name }) }),
    fc.record({ typeUrl: name }),
    fc.record({ responseNonce: name }),
    fc.record({ errorDetail: fc.record({ code: fc.nat(20), message: name }) }),
    fc.record({ resourceNamesSubscribe: fc.array(name) }),
    fc.record({ resourceNamesUnsubscribe: fc.array(name) }),
    fc.record({ initialResourceVersions: fc.dictionary(name, name) }),
    fc.record({ resourceLocatorsSubscribe: fc.array(fc.record({ name })) }),
  );
  const requests = new DeltaRequests();
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      const bytes = Buffer.concat(parts.map(encode));
      const whole = REQUEST.decode(bytes);
      const { node, typeUrl, responseNonce, errorDetail, lists } = requests.read(bytes);
      t.same(
        { node, typeUrl, responseNonce, errorDetail },
        {
          node: whole.node,
          typeUrl: whole.typeUrl ?? '',
          responseNonce: whole.responseNonce ?? '',
          errorDetail: whole.errorDetail,
        },
      );
      t.same(lists.subscribe, whole.resourceNamesSubscribe);
      t.same(lists.unsubscribe, whole.resourceNamesUnsubscribe);
      t.same(Object.fromEntries(lists.held), whole.initialResourceVersions);
    }),
    { numRuns: 300 },
  );
});
