import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { ChannelSecurityOptions } from '../../src/access/channel-security.js';
import { openChannelSecurity } from '../../src/access/channel-security.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { OPENSSL, TestAuthority } from '../support/certificates.js';
import { temporaryFolder } from '../support/folder.js';
import { toAddress } from '../support/mesh.js';
import { eventually } from '../support/processes.js';
import { credential, NO_SECURITY, SecuredControlPlane } from '../support/secured.js';
import { XdsClient } from '../support/xds-client.js';

const peer = { skip: OPENSSL.skip };

t.test('who cannot connect is told what is wrong', peer, async (t) => {
  const admin = credential('admin', 'admin');
  const secured = await SecuredControlPlane.start(t, [admin.entry]);
  const { grpcAddress: plain, grpcTlsAddress: tls } = secured.controlPlane;
  const other = await TestAuthority.create(secured.folder, 'other');
  const ca = secured.authority.files.cert;
  const fails = (address: string, security: Partial<ChannelSecurityOptions>, what: string | RegExp) =>
    t.rejects(secured.dial(address, { token: admin.token, ...security }).call('Status', {}), {
      message: what,
    });
  await fails(
    tls,
    { ca: other.files.cert },
    /is not signed by a CA that is trusted here; name its CA with --ca FILE/,
  );
  await fails(tls, { ca: 'system' }, /is not signed by a CA that is trusted here/);
  await fails(
    tls,
    {},
    /does not answer \(it hung up: .*\); if it serves TLS there, name its CA with --ca FILE/,
  );
  await fails(plain, { ca }, /speaks no TLS; that is the port for plain text .*\(wrong version number\)/);
  await fails(
    tls.replace('127.0.0.1', 'localhost'),
    { ca },
    /is for another name; dial it by one that the certificate has/,
  );
  await fails(
    tls,
    { ca, token: 'wrong' },
    /does not let you in: the token is not known here; look at --token-file or ROOST_TOKEN/,
  );
  await fails(
    tls,
    { ca, token: '' },
    /credentials are needed: .*; give a token with --token-file or ROOST_TOKEN/,
  );
  await secured.authority.issue('server', { days: -1 });
  await eventually('it is replaced', () => secured.log.includes('certificate replaced'));
  t.match(secured.log, /the certificate of the gRPC port has expired or soon will/);
  await fails(tls, { ca }, /the certificate of the control plane at .* has expired/);
});

t.test('mistakes with files are told before anything is dialled', peer, async (t) => {
  const folder = await temporaryFolder(t);
  const { files } = await TestAuthority.create(folder);
  const [empty, secret] = [join(folder, 'empty'), join(folder, 'secret')];
  await writeFile(empty, '\n');
  await writeFile(secret, 'two words of a secret');
  const refused = (security: Partial<ChannelSecurityOptions>, message: string | RegExp, host = '127.0.0.1') =>
    t.throws(() => openChannelSecurity({ ...NO_SECURITY, ...security }, { host, port: 1 }), { message });
  refused({ tokenFile: join(folder, 'none') }, /the token file cannot be read: ENOENT/);
  refused({ tokenFile: empty }, /holds no token, alone on a line/);
  refused({ tokenFile: secret }, `the token file ${secret} holds no token, alone on a line`);
  refused({ ca: join(folder, 'none') }, /the CA file cannot be read: ENOENT/);
  refused({ ca: files.cert, clientCert: files.cert }, /a client certificate and its key go together/);
  refused({ clientCert: files.cert, clientKey: files.key }, /shown over TLS only/);
  refused({ ca: files.cert, clientCert: files.key, clientKey: files.key }, /ca\.key: /);
  refused({ token: 'x' }, /the token is not sent in plain text to 10\.0\.0\.1:1/, '10.0.0.1');
  refused({ token: 'x' }, /not sent in plain text/, 'control-plane');
  for (const host of ['127.0.0.1', '::1', 'localhost'])
    t.ok(openChannelSecurity({ ...NO_SECURITY, token: 'x' }, { host, port: 1 }).hasToken, host);
});

t.test(
  'a token file is read for each call; when it is gone, the token read last is used, and that is said',
  peer,
  async (t) => {
    const [old, fresh] = [credential('old', 'read'), credential('fresh', 'read')];
    const secured = await SecuredControlPlane.start(t, [old.entry, fresh.entry]);
    const tokenFile = join(secured.folder, 'token');
    const address = toAddress(secured.controlPlane.grpcAddress);
    const problems: string[] = [];
    await writeFile(tokenFile, old.token);
    const security = openChannelSecurity({ ...NO_SECURITY, tokenFile }, address, (problem) =>
      problems.push(problem),
    );
    const client = new ControlPlaneClient(address, '', security);
    t.teardown(() => client.close());
    await client.call('Status', {});
    await writeFile(tokenFile, `${fresh.token}\n`);
    await secured.writeTokens([fresh.entry]);
    await eventually('the old token is withdrawn', () => secured.log.includes('credentials replaced'));
    await client.call('Status', {});
    t.same(problems, []);
    await rm(tokenFile);
    await client.call('Status', {});
    t.match(problems, [/the token file cannot be read: ENOENT/]);
  },
);

t.test('a client of discovery cannot say that it is of a namespace that is not its own', peer, async (t) => {
  const pod = credential('pod', 'sidecar', ['shop']);
  const reader = credential('reader', 'read');
  const secured = await SecuredControlPlane.start(t, [pod.entry, reader.entry]);
  const open = (token: string, metadata: Record<string, string>) => {
    const client = XdsClient.delta(t, secured.controlPlane.grpcAddress, { metadata, token });
    client.subscribe('listener', '*');
    return client;
  };
  t.equal((await open(pod.token, { namespace: 'shop' }).next()).kind, 'listener');
  const refusal = (client: XdsClient) =>
    client.next().then(
      () => 'answered',
      (error: Error) => error.message,
    );
  t.match(
    await refusal(open(pod.token, { namespace: 'bank' })),
    '"pod" has no access to the namespace "bank"; it has shop',
  );
  t.match(await refusal(open(pod.token, {})), 'no access to the namespace "default"');
  t.match(await refusal(open(reader.token, { namespace: 'shop' })), 'needs the role sidecar');
  await secured.writeTokens([reader.entry]);
  const client = open(pod.token, { namespace: 'shop' });
  await eventually('the stream of a withdrawn credential ends', async () =>
    (await refusal(client)).includes('the credential of "pod" was withdrawn'),
  );
});
