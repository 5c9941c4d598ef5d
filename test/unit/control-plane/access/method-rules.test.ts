import t from 'tap';
import { ruledMethods, ruleOf } from '../../../../control-plane/access/method-rules.js';
import { UNKNOWN_METHOD } from '../../../../control-plane/access/unknown-methods.js';
import { configServiceConstructor, loadApiDefinition } from '../../../../src/api/config-service.js';
import { toStruct } from '../../../../src/api/struct.js';

const api = (method: string) => ruleOf(`/roost.v1.ConfigService/${method}`);
const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService';

t.test('every method of the API has a rule of its own', async (t) => {
  const { service } = configServiceConstructor(loadApiDefinition());
  const ruled = new Set(ruledMethods());
  for (const { path } of Object.values(service)) t.ok(ruled.has(path), path);
});

t.test('looking, moving traffic, and changing what there is, need more and more', async (t) => {
  const roles = {
    read: ['Get', 'List', 'Watch', 'Status', 'Plan', 'Explain', 'Await', 'History', 'Sessions'],
    operate: ['Split', 'Promote', 'Abort', 'Undo', 'ForgetSession'],
    admin: ['Apply', 'Delete', 'Backup', 'Restore'],
  };
  for (const [role, methods] of Object.entries(roles))
    for (const method of methods) t.equal(api(method).role, role, method);
  t.equal(ruleOf(`${ADS}/DeltaAggregatedResources`).role, 'sidecar');
  t.equal(ruleOf(`${ADS}/StreamAggregatedResources`).role, 'sidecar');
  t.equal(ruleOf('/roost.v1.SessionService/Share').role, 'sidecar');
  t.equal(ruleOf(UNKNOWN_METHOD).role, 'any');
});

t.test('a method that nobody has listed is for an admin of everything', async (t) => {
  const rule = ruleOf('/other.Service/Method');
  t.equal(rule.role, 'admin');
  t.same(rule.namespacesOf({}, true), ['*']);
});

t.test('a message tells which namespaces it is about', async (t) => {
  const of = (method: string, message: object) => api(method).namespacesOf(message, true);
  const document = (namespace?: unknown) =>
    toStruct({ metadata: { name: 'a', ...(namespace ? { namespace } : {}) } });
  for (const [name, namespace] of [
    ['shop/cart', 'shop'],
    ['cart.shop', 'shop'],
    ['cart', 'default'],
    ['', 'default'],
  ])
    for (const method of ['Get', 'Split', 'Delete', 'Explain', 'Undo'])
      t.same(of(method, { name }), [namespace], `${method} ${name}`);
  t.same(of('Apply', { documents: [document('shop'), document(), document(7)] }), [
    'shop',
    'default',
    'default',
  ]);
  t.same(of('Apply', { documents: [toStruct({}), toStruct({ metadata: 'x' })] }), ['default', 'default']);
  t.same(of('Plan', { document: document('shop') }), ['shop']);
  t.same(of('Plan', { document: null, split: { name: 'cart.shop' }, promote: null, abort: null }), ['shop']);
  t.same(of('List', { namespace: '' }), [], 'what is listed is filtered');
  t.same(of('Watch', { namespace: 'shop' }), ['shop']);
  t.same(of('History', { name: '' }), [], 'and so is what was done');
  t.same(of('Restore', {}), ['*']);
});

t.test('a client of discovery is of the namespace of its node, which it may say once', async (t) => {
  const { namespacesOf } = ruleOf(`${ADS}/DeltaAggregatedResources`);
  const node = { id: 'x', metadata: { fields: { namespace: { stringValue: 'shop' } } } };
  t.same(namespacesOf({ node }, true), ['shop']);
  t.same(namespacesOf({}, true), ['default'], 'silence is an answer, too');
  t.same(namespacesOf({}, false), []);
  t.same(namespacesOf({ node }, false), ['shop'], 'and it may not change its mind');
});

t.test('a sidecar shares the pins of its own namespace', async (t) => {
  const { namespacesOf } = ruleOf('/roost.v1.SessionService/Share');
  t.same(namespacesOf({ caller: { namespace: 'shop' } }, true), ['shop']);
  t.same(namespacesOf({ caller: null }, true), ['default']);
  t.same(namespacesOf({ caller: { namespace: 'bank' } }, false), ['bank'], 'said again: checked again');
  t.same(namespacesOf({}, false), []);
});
