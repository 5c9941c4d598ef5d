import { createHash } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { OPENSSL, TestAuthority } from '../support/certificates.js';
import { temporaryFolder } from '../support/folder.js';
import { eventually, type Finished, roost, startControlPlane, startSidecar } from '../support/processes.js';
import { meshService } from '../support/shop.js';

t.test(
  'command line and sidecar over TLS with tokens, and no token in any output',
  { skip: OPENSSL.skip },
  async (t) => {
    const folder = await temporaryFolder(t);
    const path = (name: string) => join(folder, name);
    const authority = await TestAuthority.create(folder);
    const { cert, key } = await authority.issue('server');
    const outputs: Finished[] = [];
    const run = async (args: readonly string[], options: Parameters<typeof roost>[1] = {}) => {
      const finished = await roost(args, options);
      outputs.push(finished);
      return finished;
    };
    const newToken = async (name: string, role: string, namespaces: string) => {
      const args = [
        '--name',
        name,
        '--role',
        role,
        '--namespaces',
        namespaces,
        '--out',
        path(`${name}.token`),
      ];
      const { stdout, stderr, code } = await run(['token', 'new', ...args]);
      t.same({ code, stderr }, { code: 0, stderr: '' });
      await writeFile(path('tokens.yaml'), stdout, { flag: 'a' });
      return (await readFile(path(`${name}.token`), 'utf8')).trim();
    };
    const tokens = [
      await newToken('ops', 'admin', '*'),
      await newToken('frontend', 'sidecar', 'shop'),
      await newToken('ci', 'operate', 'shop'),
    ];
    const again = await roost([
      'token',
      'new',
      '--name',
      'x',
      '--role',
      'read',
      '--namespaces',
      '*',
      '--out',
      path('ci.token'),
    ]);
    t.match(again, { code: 1, stdout: '', stderr: /EEXIST/ }, 'a token that is there is not overwritten');

    const controlPlane = await startControlPlane(t, [
      ...['--grpc', 'off', '--grpc-tls', '127.0.0.1:0', '--tls-cert', cert, '--tls-key', key],
      ...['--tokens', path('tokens.yaml'), '--log-level', 'trace'],
    ]);
    const { grpcTls } = (await controlPlane.process.logged('control plane is ready')) as { grpcTls: string };
    t.equal(controlPlane.grpc, '');
    const address = ['--control-plane', grpcTls];
    const as = (name: string) => [
      ...address,
      '--ca',
      authority.files.cert,
      '--token-file',
      path(`${name}.token`),
    ];

    const applied = await run(['apply', '-f', '-', ...as('ops')], {
      input: stringify(meshService('cart.shop')),
    });
    t.equal(applied.code, 0, applied.stderr);
    const byVariable = await run(['get', ...address, '--ca', authority.files.cert], {
      env: { ROOST_TOKEN: tokens[2] },
    });
    t.match(byVariable, { code: 0, stdout: /cart/, stderr: '' });
    t.match(await run(['delete', 'cart.shop', ...as('ci')]), {
      code: 1,
      stderr: 'roost: "ci" has the role operate; Delete needs the role admin\n',
    });
    const wrong = { env: { ROOST_TOKEN: `${tokens[0]}x` } };
    t.match(await run(['status', ...address, '--ca', authority.files.cert], wrong), {
      code: 1,
      stderr: /the token is not known here/,
    });

    await writeFile(path('pod.token'), `${tokens[0]}x`);
    const sidecar = await startSidecar(t, [
      ...['--service', 'frontend.shop', ...address, '--control-plane-ca', authority.files.cert],
      ...['--token-file', path('pod.token'), '--log-level', 'trace'],
    ]);
    const refused = await sidecar.process.logged('no control plane; going on with what there is');
    t.equal(refused.reason, 'the token is not known here');
    await writeFile(path('next.token'), `${tokens[1]}\n`);
    await rename(path('next.token'), path('pod.token'));
    await eventually(
      'the token that is there now is used',
      async () => (await fetch(`http://${sidecar.admin}/ready`)).status === 200,
    );

    for (const process of [controlPlane.process, sidecar.process]) {
      await process.kill('SIGTERM');
      outputs.push({ code: 0, stdout: JSON.stringify(process.log), stderr: process.stderr });
    }
    for (const { stdout, stderr } of outputs)
      for (const token of tokens) t.notOk(`${stdout}${stderr}`.includes(token), 'no token in any output');
  },
);

t.test('a token is shown once, apart from the entry that goes into the file', async (t) => {
  const { stdout, stderr, code } = await roost([
    'token',
    'new',
    '--name',
    'ci',
    '--role',
    'operate',
    '--namespaces',
    'shop,web',
  ]);
  t.equal(code, 0);
  t.match(stderr, /^roost_[\w-]{43}\n$/);
  const sha256 = createHash('sha256').update(stderr.trim()).digest('hex');
  const wrong = await roost(['token', 'new', '--name', 'a b', '--role', 'chief', '--namespaces', 'shop,Web']);
  t.match(wrong, { code: 2, stdout: '' });
  for (const problem of [
    '--name: "a b" is not a name',
    '--role: "chief" is not one of read',
    '"Web", which is not a namespace',
  ])
    t.match(wrong.stderr, problem);
  t.same(parse(stdout), [{ name: 'ci', sha256, role: 'operate', namespaces: ['shop', 'web'] }]);
});

t.test('a control plane that cannot be secured as asked does not start, and says why', async (t) => {
  const folder = await temporaryFolder(t);
  const tokens = join(folder, 'tokens.yaml');
  await writeFile(tokens, '- name: x\n  rol: read\n');
  const start = (...args: string[]) =>
    roost(['control-plane', '--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0', ...args]);
  t.match(await start('--tokens', tokens), {
    code: 2,
    stderr: /tokens\.yaml:2:3: \[0\]\.rol: unknown field; did you mean "role"/,
  });
  const flags = await start('--tls-cert', 'a', '--tls-client-ca', 'b');
  t.match(flags, {
    code: 2,
    stderr: /--tls-cert and --tls-key go together.*\n.*--tls-client-ca needs --tokens/s,
  });
  const files = await start('--tls-cert', tokens, '--tls-key', tokens);
  t.match(files, { code: 1, stderr: /roost: --tls-cert .* cannot be used: there is no PEM in it/ });
});
