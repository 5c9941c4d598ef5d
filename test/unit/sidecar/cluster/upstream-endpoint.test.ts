import { type AddressInfo, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { UNLIMITED } from '../../../../sidecar/cluster/cluster-load.js';
import { UpstreamEndpoint, unwatched } from '../../../../sidecar/cluster/upstream-endpoint.js';
import { DEFAULT_LIMITS } from '../../../../sidecar/http/limits.js';
import type { UpstreamStream, UpstreamUser } from '../../../../sidecar/http/upstream-stream.js';
import type { UpstreamConnection } from '../../../../sidecar/http1/upstream-connection.js';
import { exclusivePools } from '../../../../sidecar/pool/exclusive-pool.js';
import type { LimitsConfig } from '../../../../src/xds/cluster-protection.js';
import { headOf, parseRequest } from '../../../support/http1/heads.js';
import { PLAIN_EDITS } from '../../../support/http1/transcripts.js';
import { eventually } from '../../../support/processes.js';

const MAX_AGE_MS = 1_000_000;

/** How long connections are kept: what the server says, and what the endpoint is told. */
interface Kept {
  readonly hint?: string;
  readonly idleMs?: number;
}

/** A server that answers every piece of data with an empty response, and an endpoint for it. */
async function fixture(t: Test, limits: Partial<LimitsConfig> = {}, kept: Kept = {}) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('data', () => socket.write(`HTTP/1.1 204 No Content\r\n${kept.hint ?? ''}\r\n`));
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const clock = { nowMs: 5000 };
  const owner = unwatched();
  owner.load.limits = { ...UNLIMITED, ...limits };
  const config = { host: '127.0.0.1', port, address: `127.0.0.1:${port}`, weight: 1, zone: '' } as const;
  const nowMs = () => clock.nowMs;
  const newPool = exclusivePools({
    limits: { ...DEFAULT_LIMITS, maxUpstreamAgeMs: MAX_AGE_MS, upstreamIdleTimeoutMs: kept.idleMs ?? 4000 },
    nowMs,
  });
  const settings = { newPool, connectFailuresToEject: 3, nowMs };
  const endpoint = new UpstreamEndpoint({ ...config, status: 'healthy' }, 1000, settings, owner);
  t.teardown(() => {
    endpoint.retire();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { endpoint, clock, load: owner.load };
}

class Request {
  connected = false;
  answered = false;
  readonly got: UpstreamStream | string;

  constructor(endpoint: UpstreamEndpoint) {
    this.got = endpoint.acquire(this as unknown as UpstreamUser, false);
  }

  /** Sends itself, and waits for the answer. */
  async run(): Promise<void> {
    const stream = this.got as UpstreamStream;
    stream.sendHead(parseRequest(headOf('GET / HTTP/1.1', 'Host: a')), PLAIN_EDITS);
    stream.end([]);
    stream.flush();
    await eventually('an answer', () => this.answered);
  }

  onUpstreamConnected(): void {
    this.connected = true;
  }

  onResponseHead(): 'raw' {
    return 'raw';
  }

  onResponseEnd(): void {
    this.answered = true;
  }

  onUpstreamTurnEnd(): void {}
}

const counts = ({ load }: { load: { requests: number; connections: number; pending: number } }) =>
  [load.requests, load.connections, load.pending] as const;

t.test('counts what is in hand: attempts, connections, and those that are being made', async (t) => {
  const made = await fixture(t);
  const [a, b] = [new Request(made.endpoint), new Request(made.endpoint)];
  t.strictSame(counts(made), [2, 2, 2]);
  await eventually('both are connected', () => a.connected && b.connected);
  t.strictSame(counts(made), [2, 2, 0]);
  await Promise.all([a.run(), b.run()]);
  t.strictSame(counts(made), [0, 2, 0], 'pooled');
  const cancelled = [new Request(made.endpoint), new Request(made.endpoint), new Request(made.endpoint)];
  t.strictSame(counts(made), [3, 3, 1]);
  for (const { got } of cancelled) (got as UpstreamStream).cancel();
  t.strictSame(counts(made), [0, 0, 0]);
  t.equal(made.load.total, 5);
});

t.test('a limit refuses at once, and leaves no trace but its count', async (t) => {
  for (const [limits, fits] of [
    [{ requests: 2 }, 2],
    [{ perEndpointRequests: 1 }, 1],
    [{ connections: 2 }, 2],
    [{ perEndpointConnections: 2 }, 2],
    [{ pending: 1 }, 1],
    [{ pending: 0 }, 0],
  ] as const) {
    const [name] = Object.keys(limits) as [keyof typeof limits];
    const made = await fixture(t, limits);
    const taken = Array.from({ length: fits }, () => new Request(made.endpoint));
    for (const { got } of taken) t.type(got, 'object');
    const before = counts(made);
    t.equal(new Request(made.endpoint).got, name);
    t.strictSame(counts(made), before);
    t.match(made.load.shed, { [name]: 1 });
    t.equal(made.endpoint.activeRequests, fits);
    for (const { got } of taken) (got as UpstreamStream).discard();
  }
});

t.test('a pooled connection is beyond the limits on connections', async (t) => {
  const made = await fixture(t, { connections: 1, pending: 1, perEndpointConnections: 1 });
  await new Request(made.endpoint).run();
  await new Request(made.endpoint).run();
  t.equal(made.endpoint.counters.connects, 1);
});

t.test('a refusal that is heard of after somebody got through says nothing any more', async (t) => {
  const { endpoint } = await fixture(t);
  const late = [1, 2, 3].map(() => new Request(endpoint).got as UpstreamConnection);
  const begun = endpoint.recoveries;
  for (let n = 0; n < 2; n++) endpoint.onConnectFailed(endpoint.recoveries);
  await new Request(endpoint).run();
  for (const _ of late) endpoint.onConnectFailed(begun);
  t.notOk(endpoint.isRefusing);
  t.equal(endpoint.counters.connectFailures, 5, 'they are counted all the same');
  for (let n = 0; n < 3; n++) endpoint.onConnectFailed(endpoint.recoveries);
  t.ok(endpoint.isRefusing);
  for (const connection of late) connection.destroy();
});

t.test('a connection that is too old serves no further request', async (t) => {
  const made = await fixture(t, {}, { idleMs: MAX_AGE_MS });
  await new Request(made.endpoint).run();
  made.clock.nowMs += MAX_AGE_MS * 0.89;
  await new Request(made.endpoint).run();
  t.equal(made.endpoint.counters.connects, 1);
  made.clock.nowMs += MAX_AGE_MS * 0.11;
  await new Request(made.endpoint).run();
  t.equal(made.endpoint.idleCount, 0, 'closed as it became idle');
  await new Request(made.endpoint).run();
  t.equal(made.endpoint.counters.connects, 2);
});

t.test(
  'a connection serves again while its server keeps it, less a second, and no longer than it is told',
  async (t) => {
    const cases: readonly (readonly [Kept, servesForMs: number])[] = [
      [{}, 4000],
      [{ hint: 'Keep-Alive: timeout=3, max=100\r\n' }, 2000],
      [{ hint: 'Keep-Alive: timeout=60\r\n' }, 4000],
      [{ hint: 'Keep-Alive: timeout=60\r\n', idleMs: 100_000 }, 59_000],
      [{ hint: 'Keep-Alive: max=5\r\n', idleMs: 2000 }, 2000],
      [{ hint: 'Keep-Alive: timeout=1\r\n' }, 0],
      [{ idleMs: 0 }, 0],
    ];
    for (const [kept, servesForMs] of cases) {
      const what = JSON.stringify(kept);
      const { endpoint, clock } = await fixture(t, {}, kept);
      await new Request(endpoint).run();
      t.equal(endpoint.idleCount, servesForMs === 0 ? 0 : 1, what);
      clock.nowMs += Math.max(0, servesForMs - 50);
      endpoint.closeIdle(clock.nowMs);
      await new Request(endpoint).run();
      t.equal(endpoint.counters.connects, servesForMs === 0 ? 2 : 1, what);
      clock.nowMs += servesForMs;
      await new Request(endpoint).run();
      t.equal(
        endpoint.counters.connects,
        servesForMs === 0 ? 3 : 2,
        `${what}, although nobody has closed it yet`,
      );
      clock.nowMs += servesForMs;
      endpoint.closeIdle(clock.nowMs);
      t.equal(endpoint.idleCount, 0, what);
    }
  },
);
