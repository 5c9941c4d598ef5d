import { once } from 'node:events';
import { createServer } from 'node:net';
import t from 'tap';
import { ReservedPort } from '../../../../examples/shop/ports.js';

/** A source of "random" numbers: these, then halves. */
function numbers(...given: number[]): () => number {
  return () => given.shift() ?? 0.5;
}

t.test('keeps a port from other processes until it is released', async (t) => {
  const reserved = await ReservedPort.take();
  t.teardown(() => reserved.release());
  const taker = createServer();
  const refused = once(taker, 'error');
  taker.listen(reserved.port, '127.0.0.1');
  t.match(await refused, [{ code: 'EADDRINUSE' }]);
  await reserved.release();
  await reserved.release();
  await once(taker.listen(reserved.port, '127.0.0.1'), 'listening');
  taker.close();
});

t.test('goes on to another port where the first one is taken', async (t) => {
  const first = await ReservedPort.take();
  t.teardown(() => first.release());
  const again = (first.port - 20_000 + 0.5) / 12_000;
  const second = await ReservedPort.take(numbers(again, again, Math.random()));
  t.teardown(() => second.release());
  t.not(second.port, first.port);
});
