import t from 'tap';
import { adsBootstrap, ENVOY, startEnvoy } from '../support/envoy.js';
import { newService } from '../support/http1/paths.js';
import { Asker, serve } from '../support/http2/two-versions.js';
import { TestMesh } from '../support/mesh.js';

/** What our control plane serves for a service of HTTP/2 has Envoy and a sidecar speak HTTP/2 to it. */
for (const protocol of ['http2', 'grpc'] as const) {
  t.test(
    `Envoy and a sidecar speak HTTP/2 to a service of protocol ${protocol}`,
    { skip: ENVOY.skip },
    async (t) => {
      const { address } = await serve(t, 'http2', (request, response) => {
        response.setHeader('x-version', request.httpVersion);
        request.pipe(response);
      });
      const service = newService([address], { protocol });
      const { name } = service.metadata;
      const mesh = await TestMesh.start(t, [service]);
      const sidecar = await mesh.sidecar({ drainTimeoutMs: 0 });
      const route = `shop/${name}`;
      const { controlPlane } = mesh;
      const { listeners } = await startEnvoy(
        t,
        adsBootstrap({ controlPlane: controlPlane.grpcAddress, namespace: 'shop', routes: [route] }),
      );
      const through = { roost: sidecar.addresses.outbound, envoy: listeners[route] as string };
      for (const [proxy, listener] of Object.entries(through)) {
        const body = Buffer.alloc(100_000, 'content ');
        const asker = new Asker(t, 'http2', listener);
        const got = await asker.ask({ method: 'POST', headers: { ':authority': name }, body });
        t.match([got.status, got.headers['x-version']], [200, '2.0'], proxy);
        t.ok(got.body.equals(body), `${proxy}: byte for byte`);
      }
    },
  );
}
