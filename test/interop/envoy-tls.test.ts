import { readFileSync } from 'node:fs';
import t from 'tap';
import { caller } from '../support/calls.js';
import { OPENSSL, TestAuthority } from '../support/certificates.js';
import { adsBootstrap, ENVOY, startEnvoy } from '../support/envoy.js';
import { temporaryFolder } from '../support/folder.js';
import { newService } from '../support/http1/paths.js';
import { TestMesh } from '../support/mesh.js';
import { startTlsBackend } from '../support/tls-backend.js';

const NAME = 'checkout.internal';

t.test(
  'a service over TLS: Envoy and a sidecar trust the same endpoints, and show the same of themselves',
  {
    skip: ENVOY.skip || OPENSSL.skip,
  },
  async (t) => {
    const folder = await temporaryFolder(t);
    const authority = await TestAuthority.create(folder);
    const stranger = await TestAuthority.create(folder, 'stranger');
    const caller1 = await authority.issue('caller-1');
    const names = { names: [`DNS:${NAME}`] };
    const servers = {
      good: await authority.issue('good', names),
      'of another authority': await stranger.issue('untrusted', names),
      'for another name': await authority.issue('other', { names: ['DNS:cart.internal'] }),
    };
    const tls = {
      serverName: NAME,
      ca: readFileSync(authority.files.cert, 'utf8'),
      certFile: caller1.cert,
      keyFile: caller1.key,
    };
    for (const [title, files] of Object.entries(servers)) {
      const backend = await startTlsBackend(t, files, authority.files);
      const service = newService([backend.address], { tls });
      const { name } = service.metadata;
      const mesh = await TestMesh.start(t, [service]);
      const sidecar = await mesh.sidecar({ drainTimeoutMs: 0 });
      const route = `shop/${name}`;
      const { listeners } = await startEnvoy(
        t,
        adsBootstrap({ controlPlane: mesh.controlPlane.grpcAddress, namespace: 'shop', routes: [route] }),
      );
      const through = { roost: sidecar.addresses.outbound, envoy: listeners[route] as string };
      for (const [proxy, address] of Object.entries(through)) {
        const { status } = await caller(t, address)(name);
        t.equal(status === 200, title === 'good', `${proxy}, ${title}: ${status}`);
      }
      const seen = backend.connections.map(({ serverName, client }) => `${serverName} ${client}`);
      t.strictSame(new Set(seen), new Set(title === 'good' ? [`${NAME} caller-1`] : []), title);
    }
  },
);
