import { spawn } from 'node:child_process';
import t from 'tap';
import { newService } from '../support/http1/paths.js';
import { EchoServer } from '../support/http2/echo-server.js';
import { serve } from '../support/http2/two-versions.js';
import { TestMesh } from '../support/mesh.js';
import { findPeer, pathOf } from '../support/peers.js';

/** h2spec sends what RFC 9113 and RFC 7541 forbid, and looks at what becomes of it. */
const h2spec = findPeer('H2SPEC', 'h2spec');

async function run(port: number, ...args: readonly string[]): Promise<string> {
  const child = spawn(pathOf(h2spec), ['-h', '127.0.0.1', '-p', String(port), '-o', '2', ...args]);
  let output = '';
  for await (const piece of child.stdout) output += piece;
  return output;
}

for (const section of ['generic', 'http2', 'hpack'] as const) {
  t.test(
    `h2spec finds nothing wrong in ${section}, strict mode included`,
    { skip: h2spec.skip },
    async (t) => {
      const server = await EchoServer.start(t);
      const output = await run(server.port, '-S', section);
      const [, passed = 0, , failed = 0] = (
        /(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed/.exec(output) ?? []
      )
        .slice(1)
        .map(Number);
      t.ok(passed >= 7, `${passed} cases passed`);
      t.equal(failed, 0, failed === 0 ? 'none failed' : failuresIn(output));
    },
  );
}

for (const direction of ['inbound', 'outbound'] as const) {
  t.test(
    `h2spec finds nothing wrong in an ${direction} listener but that it also speaks HTTP/1.1`,
    {
      skip: h2spec.skip,
    },
    async (t) => {
      const app = await serve(t, 'http2', (request, response) => {
        request.on('error', () => {});
        request.resume();
        // Not before the request's end: an answer to half a request may be there before what is wrong with the rest.
        request.on('end', () => response.end('a body that is long enough for what h2spec does with it'));
      });
      const mesh = await TestMesh.start(t);
      const host = '127.0.0.1';
      const port = Number(app.address.split(':')[1]);
      const { addresses } = await mesh.sidecar({ app: { host, port }, drainTimeoutMs: 0 });
      const listener = Number(addresses[direction].split(':')[1]);
      // h2spec calls the address that it connects to.
      await mesh.apply(newService([app.address], { protocol: 'http2', hosts: [host], port: listener }));
      const output = await run(listener, '-S');
      t.match(output, /146 tests, 145 passed, 0 skipped, 1 failed/, failuresIn(output));
      // What does not begin with the preface is a request of HTTP/1.1, and is answered 400 before the connection ends.
      t.match(failuresIn(output), /2: Sends invalid connection preface/);
    },
  );
}

function failuresIn(output: string): string {
  return output.slice(output.indexOf('Failures:'));
}
