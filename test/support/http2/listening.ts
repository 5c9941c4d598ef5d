import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import type { Test } from 'tap';

/** Has a server listen on a free port until the test is over. */
export async function listening(t: Test, server: Server): Promise<{ address: string; port: number }> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, port };
}
