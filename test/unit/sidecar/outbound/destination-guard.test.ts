import t from 'tap';
import { DestinationGuard, refusalCode } from '../../../../sidecar/outbound/destination-guard.js';
import { OwnPorts } from '../../../../sidecar/outbound/own-ports.js';

const ports = new OwnPorts();
ports.note('outbound', '127.0.0.1:15001');
ports.note('admin', '127.0.0.1:15000');
ports.note('metrics', '0.0.0.0:15020');
const guard = new DestinationGuard(new OwnPorts(ports.cells), () => new Set(['10.0.0.7', '2001:db8::7']));

const code = (host: string, port: number, fromMachine = true) =>
  guard.refusal({ host, port }, fromMachine)?.code;

const LOOPBACK = [
  '127.0.0.1',
  '127.9.9.9',
  '0.0.0.0',
  '::1',
  '::',
  '::ffff:127.0.0.1',
  '::ffff:0:0',
  '::127.0.0.1',
];
const OWN = ['10.0.0.7', '2001:db8::7', '2001:DB8:0::7', '::ffff:10.0.0.7'];

t.test('a sidecar does not lead to its own ports, by any address of its machine', async (t) => {
  for (const host of [...LOOPBACK, ...OWN]) {
    for (const port of [15000, 15020]) t.equal(code(host, port), 'forbidden-destination', `${host} ${port}`);
    t.equal(code(host, 15001), 'loop-detected', host);
  }
  for (const host of ['10.0.0.8', '2001:db8::8'])
    for (const port of [15000, 15001, 15020])
      t.equal(code(host, port), undefined, `another machine’s ${port}`);
});

t.test('loopback is for clients on the machine; its other addresses are for all', async (t) => {
  for (const host of LOOPBACK) {
    t.equal(code(host, 8080), undefined, host);
    t.equal(code(host, 8080, false), 'forbidden-destination', `${host} from elsewhere`);
  }
  for (const host of OWN) t.equal(code(host, 8080, false), undefined, host);
});

t.test('link-local addresses and metadata services are for no proxy', async (t) => {
  const hosts = ['169.254.169.254', '::ffff:169.254.169.254', 'fe80::1', 'fd00:ec2::254', '100.100.100.200'];
  for (const host of hosts) t.equal(code(host, 80), 'forbidden-destination', host);
});

function resolve(name: string, port: number, fromMachine: boolean, all: boolean) {
  return new Promise<{ error: NodeJS.ErrnoException | null; found: unknown }>((done) =>
    guard.lookupFor(port, fromMachine)(name, { all }, (error, found) => done({ error, found })),
  );
}

t.test('a name is judged by what it resolves to, odd spellings of addresses included', async (t) => {
  t.equal(guard.refusal({ host: 'localhost', port: 15000 }, true), undefined, 'not before');
  for (const name of ['localhost', '127.1', '2130706433', '0x7f.1', '0'])
    for (const all of [true, false]) {
      const { error } = await resolve(name, 15000, true, all);
      t.equal(refusalCode(error?.code ?? ''), 'forbidden-destination', `${name}, all: ${all}`);
      t.match(error?.message, /15000/);
    }
  t.equal((await resolve('127.1', 15001, true, true)).error?.code, 'loop-detected');
  t.equal((await resolve('127.1', 8080, false, true)).error?.code, 'forbidden-destination');
  t.match(await resolve('127.1', 8080, true, true), { error: null, found: [{ address: '127.0.0.1' }] });
  t.match(await resolve('127.1', 8080, true, false), { error: null, found: '127.0.0.1' });
});

t.test('what is wrong with a name stays what it is', async (t) => {
  const { error } = await resolve('no such host', 80, true, true);
  t.ok(error);
  t.equal(refusalCode(error?.code ?? ''), undefined);
});
