import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { AccessLogLevel } from '../../sidecar/records/access-log.js';
import type { Sample } from '../../sidecar/records/request-samples.js';
import type { Sidecar } from '../../sidecar/sidecar.js';
import { LogOutput } from '../../src/telemetry/log-output.js';
import { Backend, echo, startReleases, versionsOf } from '../support/backend.js';
import { caller } from '../support/calls.js';
import { TestMesh, toAddress } from '../support/mesh.js';
import { eventually } from '../support/processes.js';
import { checkout, labelled } from '../support/shop.js';

type Line = Sample & { readonly level: number; readonly component: string; readonly sidecar: string };

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const AFFINITY = {
  key: [{ header: 'x-user-id' }, { cookie: 'sid' }],
  version: 'persistent',
  endpoint: 'persistent',
};

class Log {
  text = '';
  readonly output = new LogOutput((text, taken) => {
    this.text += text;
    setImmediate(taken);
  });

  /** All that has been logged. */
  async lines(): Promise<Line[]> {
    await this.output.drain(20_000);
    return this.text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Line);
  }
}

async function shop(
  t: Test,
  accessLog: AccessLogLevel,
  options: { affinity?: object } = { affinity: AFFINITY },
) {
  const releases = await startReleases(t, { v1: 1, v2: 1 }, (request, response, backend) => {
    if (request.url?.startsWith('/broken')) response.writeHead(500).end();
    else if (request.url?.startsWith('/cut')) {
      response.writeHead(200, { 'content-length': '1000' }).write('not all of it');
      setTimeout(() => response.destroy(), 20);
    } else if (request.url?.startsWith('/slow')) request.resume();
    else echo(request, response, backend);
  });
  const routes = [labelled('v2')];
  const resource = checkout({
    split: { v1: 1 },
    routes,
    spec: { ...options, versions: versionsOf(releases) },
  });
  const mesh = await TestMesh.start(t, [resource]);
  const log = new Log();
  const app = await Backend.start(t, 'app');
  const sidecar = await mesh.sidecar({ accessLog, app: toAddress(app.address), release: 'r1' }, log.output);
  return { releases, mesh, log, sidecar, call: caller(t, sidecar.addresses.outbound) };
}

t.test('a line says what was asked, what was decided and why, and what came of it', async (t) => {
  const { log, call, releases } = await shop(t, 'all');
  const headers = {
    'x-user-id': 'alice',
    traceparent: `00-${TRACE}-b7ad6b7169203331-01`,
    'x-request-id': 'r-1',
  };
  await call('checkout', { path: '/cart?token=hush', method: 'POST', body: '0123456789', headers });
  const [line] = (await log.lines()) as [Line];
  const { durationMs, responseBytes, time, session, ...rest } = line;
  t.strictSame(rest, {
    level: 30,
    process: 'sidecar',
    component: 'access',
    sidecar: 'frontend.shop',
    direction: 'outbound',
    method: 'POST',
    host: 'checkout',
    path: '/cart',
    status: 200,
    requestBytes: 10,
    client: '127.0.0.1',
    service: 'checkout.shop',
    route: 'default',
    release: 'v1',
    reason: 'named',
    keySource: 'header:x-user-id',
    pin: 'made',
    endpoint: releases.get('v1')?.[0]?.address,
    endpointReason: 'hash',
    requestId: 'r-1',
    traceId: TRACE,
  });
  t.ok(durationMs > 0);
  t.ok(responseBytes > 100);
  t.match(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  t.match(session, /^[0-9a-f]{16}$/);
});

t.test('pins: made, kept, moved; sessions in a cookie; a request id that was made', async (t) => {
  const { log, call } = await shop(t, 'all');
  const user = { 'x-user-id': 'alice' };
  await call('checkout', { headers: user });
  await call('checkout', { headers: user });
  await call('checkout', { headers: { ...user, 'x-region': 'us-east' } });
  const minted = await call('checkout');
  const cookie = String(minted.headers['set-cookie']).split(';')[0] ?? '';
  await call('checkout', { headers: { cookie } });
  const lines = await log.lines();
  t.strictSame(
    lines.map(({ release, keySource, pin, flags }) => [release, keySource, pin, flags]),
    [
      ['v1', 'header:x-user-id', 'made', undefined],
      ['v1', 'header:x-user-id', 'kept', undefined],
      ['v2', 'header:x-user-id', 'moved', undefined],
      ['v1', 'cookie:sid', 'made', 'new-session'],
      ['v1', 'cookie:sid', 'kept', undefined],
    ],
  );
  const made = (JSON.parse(minted.body) as { headers: Record<string, string> }).headers['x-request-id'];
  t.equal(lines[3]?.requestId, made);
  t.equal(lines[0]?.session, lines[2]?.session);
  t.not(lines[0]?.session, lines[3]?.session);
});

t.test('nothing secret is in it: no query, cookie, authorization or key', async (t) => {
  const { log, call, sidecar } = await shop(t, 'all');
  const secrets = ['hush-query', 'hush-cookie', 'hush-auth', 'hush-key', 'hush-other'];
  const headers = {
    cookie: 'a=hush-cookie; sid=hush-cookie',
    authorization: 'Bearer hush-auth',
    'proxy-authorization': 'Basic hush-auth',
    'x-user-id': 'hush-key',
    'x-other': 'hush-other',
  };
  for (const [host, path] of [
    ['checkout', '/?q=hush-query'],
    ['checkout', '/broken?q=hush-query'],
    ['nosuch', '/?q=hush-query'],
  ] as const)
    await call(host, { path, headers });
  await caller(t, sidecar.addresses.inbound)('checkout', { path: '/?q=hush-query', headers });
  const minted = await call('checkout', { path: '/cart' });
  const [, key = ''] = /^sid=([\w-]+)/.exec(String(minted.headers['set-cookie'])) ?? [];
  t.equal((await log.lines()).length, 5);
  const shown = log.text + (await debug(sidecar, '?n=400')).text;
  for (const secret of [...secrets, key]) t.notOk(shown.includes(secret), secret);
});

t.test('"errors" logs what failed and nothing else; "off" logs nothing', async (t) => {
  for (const level of ['errors', 'off'] as const) {
    const { log, call, sidecar } = await shop(t, level, {});
    await call('checkout');
    await call('checkout', { path: '/broken' });
    await call('nosuch', { path: '/x' });
    await t.rejects(call('checkout', { path: '/cut' }));
    const gone = connect(toAddress(sidecar.addresses.outbound));
    gone.write('GET /slow HTTP/1.1\r\nhost: checkout\r\n\r\n');
    await eventually('it is under way', async () => /"activeRequests": 1/.test(await clusters(sidecar)));
    gone.resetAndDestroy();
    await malformed(sidecar);
    const failures = async () =>
      (await debug(sidecar)).requests.filter(({ status, flags }) => status !== 200 || flags !== undefined);
    await eventually('all have ended', async () => (await failures()).length === 5);
    const lines = await log.lines();
    if (level === 'off') {
      t.equal(log.text, '');
      continue;
    }
    const found = lines.map(({ level, status, error, flags }) => [level, status, error ?? '', flags ?? '']);
    t.strictSame(found, [
      [40, 500, '', ''],
      [40, 404, 'unknown-host', ''],
      [40, 200, '', 'upstream-broke'],
      [40, 0, '', 'client-left'],
      [40, 400, 'malformed-request', ''],
    ]);
    t.match(lines[1]?.detail, 'nosuch');
    t.equal(lines[4]?.client, '127.0.0.1');
  }
});

t.test('retries and failover show; inbound requests are of the own service', async (t) => {
  const { log, call, sidecar, releases } = await shop(t, 'all', {});
  await caller(t, sidecar.addresses.inbound)('anybody', { path: '/in' });
  await releases.get('v2')?.[0]?.stop();
  await call('checkout', { headers: { 'x-region': 'us-east' } });
  const [inbound, failedOver] = (await log.lines()) as [Line, Line];
  t.match(inbound, {
    direction: 'inbound',
    host: 'anybody',
    path: '/in',
    status: 200,
    sidecar: 'frontend.shop',
  });
  t.match(failedOver, {
    status: 200,
    route: 'qa',
    release: 'v1',
    reason: 'failover',
    failedOverFrom: 'v2',
    retries: 1,
    flags: 'failover',
  });
});

t.test('texts of a request are cut, and every field is in the docs', async (t) => {
  const { log, call } = await shop(t, 'all');
  await call('checkout', { path: `/${'x'.repeat(5000)}`, headers: { 'x-request-id': 'y'.repeat(5000) } });
  await call('nosuch');
  await call('checkout', { path: '/broken', headers: { 'x-user-id': '1' } });
  const lines = await log.lines();
  t.equal(lines[0]?.path?.length, 513);
  t.equal(lines[0]?.requestId?.length, 513);
  const docs = readFileSync(
    fileURLToPath(new URL('../../../docs/observability.md', import.meta.url)),
    'utf8',
  );
  const documented = [...docs.matchAll(/^\| ((?:`\w+` ?)+)\|/gm)].flatMap(([, names = '']) =>
    [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name),
  );
  const always = ['level', 'process', 'component'];
  for (const line of lines)
    for (const field of Object.keys(line)) t.ok([...always, ...documented].includes(field), field);
});

t.test('/debug/requests shows the last few, as JSON or as a table, without an access log', async (t) => {
  const { call, sidecar } = await shop(t, 'off');
  await call('checkout', { path: '/first', headers: { 'x-user-id': 'alice' } });
  await call('nosuch', { path: '/second' });
  const { requests } = await debug(sidecar);
  t.strictSame(
    requests.map(({ path, status }) => [path, status]),
    [
      ['/second', 404],
      ['/first', 200],
    ],
  );
  t.match(requests[1], { release: 'v1', reason: 'named', pin: 'made', route: 'default' });
  t.equal((await debug(sidecar, '?n=1')).requests.length, 1);
  const table = (await debug(sidecar, '?format=text')).text;
  t.match(table, /^TIME +STATUS +MS +REQUEST +ROUTE +SESSION +RELEASE +ENDPOINT +NOTES\n/);
  t.match(table, /\n[\d:.]{12} +404 +[\d.]+ +GET nosuch\/second +- +- +- +- +unknown-host: nosuch\n/);
  t.match(table, / 200 .* checkout\/first +default +header:x-user-id \(pin made\) +v1 \(named\) +127/);
  t.equal((await debug(sidecar, '', { accept: 'text/plain' })).text.slice(0, 4), 'TIME');
  for (const wrong of ['?n=0', '?n=x', '?format=xml'])
    t.equal((await debug(sidecar, wrong)).status, 400, wrong);
  const post = await fetch(`http://${sidecar.addresses.admin}/debug/requests`, { method: 'POST' });
  t.equal(post.status, 405);
  await post.text();
});

async function debug(
  sidecar: Sidecar,
  query = '',
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string; requests: Sample[] }> {
  const response = await fetch(`http://${sidecar.addresses.admin}/debug/requests${query}`, { headers });
  const text = await response.text();
  const requests = text.startsWith('{') ? (JSON.parse(text) as { requests: Sample[] }).requests : [];
  return { status: response.status, text, requests };
}

async function clusters(sidecar: Sidecar): Promise<string> {
  return (await fetch(`http://${sidecar.addresses.admin}/clusters`)).text();
}

/** A request that breaks the rules. Resolves once it is answered. */
async function malformed(sidecar: Sidecar): Promise<void> {
  const socket = connect(toAddress(sidecar.addresses.outbound));
  socket.write('GET / HTTP/1.1\r\nhost : x\r\n\r\n');
  await new Promise((resolve) => socket.once('data', resolve));
  socket.destroy();
}
