import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import t from 'tap';
import {
  createAuthority,
  isKeyedCertificate,
  issueServerCertificate,
  notAfterMs,
} from '../../../../control-plane/webhook/certificates.js';

const NOW = Date.now();
const authority = createAuthority('test CA', { nowMs: NOW, days: 365 });
const server = issueServerCertificate(authority, ['roost.example.svc', 'localhost'], {
  nowMs: NOW,
  days: 30,
});

t.test('an authority signs itself, and certificates of servers', async (t) => {
  const [ca, leaf] = [new X509Certificate(authority.cert), new X509Certificate(server.cert)];
  t.ok(ca.verify(ca.publicKey));
  t.ok(ca.ca);
  t.ok(leaf.verify(ca.publicKey));
  t.ok(leaf.checkIssued(ca));
  t.notOk(leaf.ca);
  t.equal(leaf.checkHost('roost.example.svc'), 'roost.example.svc');
  t.equal(leaf.checkHost('other.example.svc'), undefined);
  t.same(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1'], 'of servers');
  t.ok(Math.abs(notAfterMs(server.cert) - (NOW + 30 * 86_400_000)) < 1000);
  t.ok(Date.parse(leaf.validFrom) < NOW, 'clocks may differ');
  t.ok(isKeyedCertificate(authority) && isKeyedCertificate(server));
});

t.test(
  'years from 2050 on, serial numbers and names of any length are encoded as they should be',
  async (t) => {
    for (let i = 0; i < 20; i++) {
      const far = createAuthority('x'.repeat(i * 20 + 1), {
        nowMs: Date.UTC(2049, 11, 1) + i * 86_400_000,
        days: 60,
      });
      const read = new X509Certificate(far.cert);
      t.equal(new Date(read.validTo).getUTCFullYear(), 2050);
      t.ok(read.verify(read.publicKey));
      t.match(read.serialNumber, /^[4-7]/, 'positive');
    }
  },
);

t.test('a client that trusts the authority connects, one that trusts another does not', async (t) => {
  const listening = createServer({ ...server, minVersion: 'TLSv1.3' }, (socket) =>
    socket.end('hello'),
  ).listen(0, '127.0.0.1');
  listening.on('tlsClientError', () => undefined);
  t.teardown(() => listening.close());
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  const dial = async (ca: string) => {
    const socket = connect({ host: '127.0.0.1', port, ca, servername: 'localhost' });
    await once(socket, 'secureConnect').finally(() => socket.destroy());
  };
  await dial(authority.cert);
  await t.rejects(dial(createAuthority('test CA', { nowMs: NOW, days: 1 }).cert));
});

t.test('what is not a certificate with its key is told apart', async (t) => {
  const other = createAuthority('other', { nowMs: NOW, days: 1 });
  t.notOk(isKeyedCertificate({ cert: '', key: '' }));
  t.notOk(isKeyedCertificate({ cert: authority.cert, key: other.key }));
  t.notOk(isKeyedCertificate({ cert: 'no PEM', key: authority.key }));
});
