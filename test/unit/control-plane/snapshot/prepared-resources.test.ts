import t from 'tap';
import { PreparedResources } from '../../../../control-plane/snapshot/prepared-resources.js';
import { type MeshService, parseMeshService } from '../../../../src/model/mesh-service.js';
import { checkout } from '../../../support/shop.js';

const context = (births: Record<string, string> = {}, secret = 'a secret of the mesh, for tests.') => {
  const asked: string[] = [];
  return {
    asked,
    pinSecret: Buffer.from(secret),
    incarnation: (_: MeshService, release: string) => {
      asked.push(release);
      return births[release] ?? '1';
    },
  };
};

t.test('what a service became when it was checked is what is served', async (t) => {
  const prepared = new PreparedResources();
  const service = parseMeshService(checkout());
  t.same(prepared.prepare(service, context()), []);
  const taken = context();
  const resources = prepared.take(service, taken);
  t.same(taken.asked, ['v1', 'v2'], 'it is compared, and not translated again');
  const again = prepared.take(service, context());
  t.not(again, resources, 'it is kept for one use');
  t.equal(again.routesVersion, resources.routesVersion);
});

t.test('with other births, another grant or another secret it is translated anew', async (t) => {
  const service = parseMeshService(checkout({ affinity: { version: 'persistent' } }));
  const versionOf = (made: ReturnType<typeof context> & { grantOf?: () => never }) => {
    const prepared = new PreparedResources();
    prepared.prepare(service, context());
    return prepared.take(service, made).routesVersion;
  };
  const same = versionOf(context());
  t.not(versionOf(context({ v2: '7' })), same);
  t.not(versionOf(context({}, 'another secret of the mesh, too.')), same);
  const granted = { ...context(), grantOf: () => ({ hosts: [], endpoints: [], files: [] }) };
  const prepared = new PreparedResources();
  prepared.prepare(service, context());
  t.match(prepared.take(service, granted), { grant: { hosts: [] } });
});
