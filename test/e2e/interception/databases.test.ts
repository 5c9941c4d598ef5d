import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Pod, whyNoNamespaces } from '../../support/network-namespaces.js';
import { findPeer } from '../../support/peers.js';
import { Pods, serviceAt } from '../../support/pods.js';
import { eventually } from '../../support/processes.js';

/** Servers and clients of Debian that know nothing: through a sidecar on either side. */

// Processes in network namespaces, one after the other: no limit for a machine that is busy.
t.setTimeout(120_000);

const NAMESPACES = whyNoNamespaces();
const REDIS = findPeer('REDIS_SERVER', 'redis-server');
const REDIS_CLIENT = findPeer(undefined, 'redis-cli');
const PSQL = findPeer(undefined, 'psql');
const NOBODY = { uid: 65_534, gid: 65_534 };

/** Debian keeps the server's programs out of PATH. */
function postgresPrograms(): string | undefined {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort() : [];
  const found = versions
    .map((version) => join(root, version, 'bin'))
    .filter((path) => existsSync(join(path, 'initdb')));
  return found.at(-1);
}

const POSTGRES = postgresPrograms();
const skipPostgres =
  PSQL.skip ||
  (POSTGRES === undefined && process.env.ROOST_REQUIRE_PEERS !== '1' && 'PostgreSQL is not installed');

function folderFor(t: Test, user: { uid: number; gid: number }): string {
  const folder = mkdtempSync(join(tmpdir(), 'roost-database-'));
  chownSync(folder, user.uid, user.gid);
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function startIn(t: Test, pod: Pod, cwd: string, command: readonly string[]): void {
  const [program = '', ...args] = [...pod.enter(NOBODY), ...command];
  const child = spawn(program, args, { cwd, stdio: 'ignore' });
  t.teardown(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
  });
}

t.test('Redis', { skip: NAMESPACES || REDIS.skip || REDIS_CLIENT.skip }, async (t) => {
  const pods = await Pods.start(t);
  const [caller, server] = [await pods.meshed('frontend'), await pods.meshed('cache')];
  const folder = folderFor(t, NOBODY);
  startIn(t, server, folder, [
    REDIS.path ?? 'redis-server',
    '--port',
    '6379',
    '--bind',
    '127.0.0.1',
    '--save',
    '',
  ]);
  pods.apply(
    serviceAt('cache', ['10.96.0.20'], { v1: [`${server.ipv4}:6379`] }, { port: 6379, protocol: 'tcp' }),
  );
  const redis = (...args: string[]) => caller.run(['redis-cli', '-h', '10.96.0.20', ...args]).stdout.trim();
  await eventually('Redis answers', () => redis('ping') === 'PONG');
  t.equal(redis('set', 'a', '1'), 'OK');
  t.equal(redis('get', 'a'), '1');
  const pipelined = caller.run(
    ['redis-cli', '-h', '10.96.0.20', '--pipe'],
    'SET b 2\r\n'.repeat(10_000),
  ).stdout;
  t.match(pipelined, /errors: 0, replies: 10000/);
  const { body } = await caller.app.request('http://127.0.0.1:15000/metrics');
  t.match(body, /roost_tcp_connections_total\{[^}]*direction="outbound"[^}]*service="cache.default"/);
});

t.test('PostgreSQL, whose clients first ask for TLS', { skip: NAMESPACES || skipPostgres }, async (t) => {
  const pods = await Pods.start(t);
  const [caller, server] = [await pods.meshed('frontend'), await pods.meshed('database')];
  const folder = folderFor(t, NOBODY);
  const data = join(folder, 'data');
  const programs = POSTGRES ?? '';
  const made = server.runAs(NOBODY, [
    join(programs, 'initdb'),
    '-D',
    data,
    '-U',
    'roost',
    '-A',
    'trust',
    '--no-sync',
  ]);
  t.equal(made.code, 0, made.stderr);
  const options = [
    '-D',
    data,
    '-p',
    '5432',
    '-c',
    `listen_addresses=${server.ipv4}`,
    '-c',
    `unix_socket_directories=${folder}`,
  ];
  startIn(t, server, folder, [join(programs, 'postgres'), ...options]);
  await eventually(
    'it runs',
    () => server.run(['psql', '-h', folder, '-U', 'roost', 'postgres', '-c', 'select 1']).code === 0,
  );
  server.run([
    'psql',
    '-h',
    folder,
    '-U',
    'roost',
    'postgres',
    '-c',
    'create table t (a int); insert into t values (42)',
  ]);
  server.run(['sh', '-c', `echo 'host all all all trust' >> ${data}/pg_hba.conf`]);
  server.run(['psql', '-h', folder, '-U', 'roost', 'postgres', '-c', 'select pg_reload_conf()']);
  pods.apply(
    serviceAt('database', ['10.96.0.30'], { v1: [`${server.ipv4}:5432`] }, { port: 5432, protocol: 'tcp' }),
  );
  for (const host of ['10.96.0.30', server.ipv4]) {
    const asked = caller.run(['psql', '-h', host, '-U', 'roost', 'postgres', '-At', '-c', 'select a from t']);
    t.equal(asked.stdout.trim(), '42', asked.stderr);
  }
});
