import type { Socket } from 'node:net';
import t from 'tap';
import { OriginalDestinations, parseSocketName } from '../../../../sidecar/intercept/original-destination.js';

/** A connection, as far as its addresses go. */
function connection(localAddress: string, localPort: number, fd = 7): Socket {
  return { localAddress, localPort, _handle: { fd } } as unknown as Socket;
}

/** The kernel says that every connection was going to one place. */
function kernel(name: Buffer, result = 0) {
  const asked: number[] = [];
  const getsockopt = (_fd: number, level: number, _option: number, value: Buffer) => {
    asked.push(level);
    name.copy(value);
    return result;
  };
  return { asked, destinations: OriginalDestinations.open('linux', () => ({ getsockopt })) };
}

const IPV4 = Buffer.from('020000500a60000a0000000000000000', 'hex');
const IPV6 = Buffer.from('0a00005000000000fd9600000000000000000000000000100000000000000000', 'hex').subarray(
  0,
  28,
);

t.test('the kernel is asked for the family of the connection', async (t) => {
  const four = kernel(IPV4);
  t.same(four.destinations.of(connection('127.0.0.1', 15001)), { host: '10.96.0.10', port: 80 });
  t.same(four.destinations.of(connection('::ffff:127.0.0.1', 15001)), { host: '10.96.0.10', port: 80 });
  t.same(four.asked, [0, 0]);
  const six = kernel(IPV6);
  t.same(six.destinations.of(connection('::1', 15001)), { host: 'fd96::10', port: 80 });
  t.same(six.asked, [41]);
});

t.test('a connection that came to the sidecar itself was not redirected', async (t) => {
  t.equal(kernel(IPV4).destinations.of(connection('10.96.0.10', 80)), undefined);
  t.equal(
    kernel(IPV4, -1).destinations.of(connection('127.0.0.1', 15001)),
    undefined,
    'the kernel knows none',
  );
  t.equal(kernel(IPV4).destinations.of(connection('127.0.0.1', 15001, -1)), undefined, 'it is closed');
  t.equal(kernel(IPV4).destinations.of({ localAddress: undefined } as unknown as Socket), undefined);
});

t.test('where it cannot be read, the message says what to do', async (t) => {
  t.throws(() => OriginalDestinations.open('darwin'), {
    message: '--intercept needs Linux; this system is "darwin"',
  });
  const missing = () => {
    throw new Error("Cannot find module 'koffi'");
  };
  t.throws(() => OriginalDestinations.open('linux', missing), {
    message: /install it \(npm install koffi\)/,
  });
});

t.test('an address that IPv6 maps from IPv4 is of IPv4', async (t) => {
  const mapped = Buffer.alloc(28);
  mapped.writeUInt16BE(8080, 2);
  Buffer.from('00000000000000000000ffff0a000001', 'hex').copy(mapped, 8);
  t.same(parseSocketName(mapped, true), { host: '10.0.0.1', port: 8080 });
});
