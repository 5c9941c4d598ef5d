import { execFileSync } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { UpstreamTls } from '../../../../sidecar/tls/endpoint-tls.js';
import { OPENSSL, TestAuthority } from '../../../support/certificates.js';
import { temporaryFolder } from '../../../support/folder.js';

const CONFIG = {
  serverName: 'checkout.internal',
  acceptedNames: ['checkout.internal'],
  ca: undefined,
  certificate: undefined,
};

t.test(
  'a file that changes counts within seconds; sessions made before are not taken up again',
  {
    skip: OPENSSL.skip,
  },
  async (t) => {
    const folder = await temporaryFolder(t);
    const [one, two] = [await TestAuthority.create(folder, 'one'), await TestAuthority.create(folder, 'two')];
    const file = join(folder, 'trusted.pem');
    await copyFile(one.files.cert, file);
    let nowMs = 1000;
    const tls = new UpstreamTls({ ...CONFIG, ca: { file } }, () => nowMs);
    const before = tls.optionsFor('10.0.0.1:443');
    tls.keepSession('10.0.0.1:443', Buffer.from('ticket'));
    nowMs += 10_000;
    t.equal(
      tls.optionsFor('10.0.0.1:443').secureContext,
      before.secureContext,
      'the same while it is the same',
    );
    t.same(tls.optionsFor('10.0.0.1:443').session, Buffer.from('ticket'));
    await copyFile(two.files.cert, file);
    nowMs += 1000;
    t.equal(
      tls.optionsFor('10.0.0.1:443').secureContext,
      before.secureContext,
      'not looked at for each connection',
    );
    nowMs += 5000;
    const after = tls.optionsFor('10.0.0.1:443');
    t.not(after.secureContext, before.secureContext);
    t.equal(after.session, undefined);
  },
);

t.test(
  'a file that vanishes or is broken fails connections until it is back',
  { skip: OPENSSL.skip },
  async (t) => {
    const folder = await temporaryFolder(t);
    const { files } = await TestAuthority.create(folder);
    const missing = { ...CONFIG, ca: { file: join(folder, 'missing') } };
    const tls = new UpstreamTls(missing, () => 0);
    t.throws(() => tls.optionsFor('a'), { code: 'ENOENT' });
    await copyFile(files.cert, missing.ca.file);
    t.ok(tls.optionsFor('a').secureContext);
    const noKey = { ...CONFIG, certificate: { chainFile: files.cert, keyFile: files.cert } };
    t.throws(() => new UpstreamTls(noKey, () => 0).optionsFor('a'), { code: 'ERR_OSSL_UNSUPPORTED' });
  },
);

t.test('keeps one session for each address, of a bounded number of them', async (t) => {
  const tls = new UpstreamTls(CONFIG, () => 0);
  tls.optionsFor('10.0.0.0');
  for (let i = 0; i <= 1000; i++) tls.keepSession(`10.0.0.${i}`, Buffer.from(`${i}`));
  tls.keepSession('10.0.0.7', Buffer.from('newer'));
  t.equal(tls.optionsFor('10.0.0.0').session, undefined, 'the oldest is gone');
  t.same(tls.optionsFor('10.0.0.1000').session, Buffer.from('1000'));
  t.same(tls.optionsFor('10.0.0.7').session, Buffer.from('newer'));
});

t.test('one of the accepted names is enough, wildcards included (RFC 6125)', async (t) => {
  const check = (acceptedNames: string[], subjectaltname: string) =>
    new UpstreamTls({ ...CONFIG, acceptedNames }, () => 0)
      .optionsFor('a')
      .checkServerIdentity('ignored', { subject: {}, subjectaltname } as never);
  t.equal(check(['a.internal'], 'DNS:a.internal'), undefined);
  t.equal(check(['b.internal', 'a.internal'], 'DNS:a.internal'), undefined);
  t.equal(check(['a.shop.internal'], 'DNS:*.shop.internal'), undefined);
  t.equal(check(['10.0.0.1'], 'IP Address:10.0.0.1'), undefined);
  t.match(check(['a.internal'], 'DNS:b.internal'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  t.equal(check([], 'DNS:whatever'), undefined, 'without any, the authority alone decides');
});

t.test('what is no file, or never ends, fails connections and nothing else', async (t) => {
  const folder = await temporaryFolder(t);
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  for (const [file, reason] of [
    [fifo, /is a pipe \(FIFO\), not a file/],
    ['/dev/zero', /is a device, not a file/],
    [folder, /is a folder, not a file/],
  ] as const) {
    t.throws(() => new UpstreamTls({ ...CONFIG, ca: { file } }, () => 0).optionsFor('a'), reason);
    const certificate = { chainFile: file, keyFile: file };
    t.throws(() => new UpstreamTls({ ...CONFIG, certificate }, () => 0).optionsFor('a'), reason);
  }
});
