import { spawn } from 'node:child_process';
import t from 'tap';
import { EchoServer } from '../support/http2/echo-server.js';
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
      t.equal(failed, 0, failed === 0 ? 'none failed' : output.slice(output.indexOf('Failures:')));
    },
  );
}
