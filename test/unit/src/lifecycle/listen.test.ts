import { createServer, type ListenOptions, Server } from 'node:net';
import t from 'tap';
import { ListenError, listen } from '../../../../src/lifecycle/listen.js';

/** A server on a machine whose kernel knows no IPv6. */
class WithoutIpv6 extends Server {
  readonly asked: (string | undefined)[] = [];

  override listen(...args: unknown[]): this {
    const [options, callback] = args as [ListenOptions, () => void];
    this.asked.push(options.host);
    if (options.host !== '::') return super.listen(options, callback);
    const error = Object.assign(new Error('no such family'), { code: 'EAFNOSUPPORT' });
    queueMicrotask(() => this.emit('error', error));
    return this;
  }
}

t.test('"::" means every address that the machine has, with IPv6 or without', async (t) => {
  const server = new WithoutIpv6();
  t.teardown(() => server.close());
  t.match(await listen(server, 'a test', '::', 0), /^0\.0\.0\.0:\d+$/);
  t.same(server.asked, ['::', '0.0.0.0']);
});

t.test('any other failure is told with the address and the reason', async (t) => {
  const first = createServer();
  t.teardown(() => first.close());
  const address = await listen(first, 'a test', '127.0.0.1', 0);
  const port = Number(address.split(':').at(-1));
  await t.rejects(
    listen(createServer(), 'a test', '127.0.0.1', port),
    new ListenError('a test', address, { code: 'EADDRINUSE' }),
  );
});
