import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createClient } from '@redis/client';
import { openSessionStore } from '../../sidecar/session/store/open-session-store.js';
import { REPLACE } from '../../sidecar/session/store/redis-commands.js';
import type { SessionStore } from '../../sidecar/session/store/session-store.js';
import { PinRecords } from '../../src/sessions/pin-records.js';
import type { SharedSession } from '../../src/sessions/shared-pin.js';
import { freePorts } from '../free-ports.js';
import { percentile, sorted } from '../measure/percentiles.js';

/**
 * What a session store costs: `npm run bench:session-store`. Starts a redis-server of its own on loopback. The figures of docs/session-store.md come from here.
 */
const SERVICE = 'checkout.shop';
const TTL_MS = 3_600_000;
const SIDECARS = 50;
const NEW_PER_SECOND = 5000;
const SECONDS = 10;
/** Arrivals that are made together. */
const TICK_MS = 2;
const WRITTEN = 100_000;
/** Sessions handed over in one go. */
const BATCH = 1000;
const records = new PinRecords(Buffer.alloc(32, 7));

interface Lab {
  readonly port: number;
  readonly redis: ChildProcess;
  ask(...command: string[]): Promise<string>;
}

async function main(): Promise<void> {
  const lab = await startRedis();
  try {
    const before = process.memoryUsage().rss;
    const [store] = (await openStores(lab, 1)) as [SessionStore];
    row(
      'memory of the first store, client library included',
      `${mib(process.memoryUsage().rss - before)} MiB`,
    );
    await measureWrites(lab, store);
    await measureLookups(store, 'unknown', BigInt(WRITTEN));
    await measureLookups(store, 'known', 0n);
    await store.close();
    await measureFleet(lab);
  } finally {
    lab.redis.kill();
  }
}

async function startRedis(): Promise<Lab> {
  const [port] = (await freePorts(1)) as [number];
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const redis = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => redis.kill());
  await untilReady(redis);
  const client = createClient({ socket: { host: '127.0.0.1', port } });
  client.on('error', () => {});
  redis.once('exit', () => client.destroy());
  await client.connect();
  const ask = async (...command: string[]) => String(await client.sendCommand(command));
  return { port, redis, ask };
}

async function untilReady({ stdout }: ChildProcess): Promise<void> {
  let output = '';
  stdout?.on('data', (data) => {
    output += String(data);
  });
  while (!output.includes('Ready to accept connections')) await sleep(10);
}

async function openStores({ port }: Lab, count: number): Promise<SessionStore[]> {
  const options = {
    hosts: [{ host: '127.0.0.1', port }],
    isCluster: false,
    database: 0,
    tls: undefined,
    user: '',
    password: '',
    passwordFile: '',
    timeoutMs: 20,
  };
  const log = { info: console.error, warn: console.error };
  const stores = Array.from({ length: count }, () =>
    openSessionStore(options, log as never, { onConflict: () => {} }),
  );
  await Promise.all(stores.map(({ settled }) => settled));
  return stores;
}

async function measureWrites(lab: Lab, store: SessionStore): Promise<void> {
  const [memory, cpu, start] = [await memoryOf(lab), process.cpuUsage(), performance.now()];
  for (let first = 0; first < WRITTEN; first += BATCH) {
    const sessions = Array.from({ length: BATCH }, (_, i) => session(BigInt(first + i)));
    store.write(records, SERVICE, sessions, TTL_MS);
    while (store.pending > 10 * BATCH) await sleep(1);
  }
  while (store.pending > 0) await sleep(1);
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  row('writes by one sidecar', `${Math.round((WRITTEN / ms) * 1000)} a second`);
  row("a sidecar's CPU for a write", `${((user + system) / WRITTEN).toFixed(1)} µs`);
  row('memory of Redis for a session', `${Math.round(((await memoryOf(lab)) - memory) / WRITTEN)} bytes`);
}

async function measureLookups(store: SessionStore, what: string, from: bigint): Promise<void> {
  const times: number[] = [];
  const cpu = process.cpuUsage();
  for (let i = 0n; i < 10_000n; i++) times.push(await timeOf(() => find(store, from + i)));
  const { user, system } = process.cpuUsage(cpu);
  row(`lookup of a session that is ${what}, one after the other`, `${percentiles(times)}`);
  row("  a sidecar's CPU for it", `${((user + system) / times.length).toFixed(1)} µs`);
}

/**
 * New sessions at a steady rate. One sidecar's are looked up and written by a store, and then looked up by another one;
 * those of the other sidecars are bytes on a connection, so that this process measures and does not work.
 */
async function measureFleet(lab: Lab): Promise<void> {
  const [here, there] = (await openStores(lab, 2)) as [SessionStore, SessionStore];
  await lab.ask('FLUSHALL');
  const others = await OtherSidecars.connect(lab);
  const [misses, known]: [number[], number[]] = [[], []];
  const [redisCpu, start] = [await cpuOf(lab), performance.now()];
  const visit = async (id: bigint) => {
    misses.push(await timeOf(() => find(here, id)));
    here.write(records, SERVICE, [session(id)], TTL_MS);
    const writtenAt = performance.now();
    while ((await find(there, id)) === undefined) await sleep(1);
    known.push(performance.now() - writtenAt);
  };
  const visits: Promise<void>[] = [];
  while (performance.now() - start < SECONDS * 1000) {
    const share = ((performance.now() - start) / 1000) * (NEW_PER_SECOND / SIDECARS);
    if (visits.length < share) visits.push(visit(BigInt(visits.length)));
    others.callUpTo(share * (SIDECARS - 1));
    await sleep(TICK_MS);
  }
  await Promise.all(visits);
  const cores = ((await cpuOf(lab)) - redisCpu) / SECONDS;
  others.close();
  const name = `${SIDECARS} sidecars, ${NEW_PER_SECOND} new sessions a second:`;
  row(`${name} lookup`, percentiles(misses));
  row(`${name} known to another sidecar after`, percentiles(known));
  row(`${name} CPU of Redis`, `${cores.toFixed(2)} cores`);
  row(`${name} lookups beyond the deadline of 20 ms`, `${here.counts.timeouts} of ${misses.length}`);
  await Promise.all([here.close(), there.close()]);
}

/** What the other sidecars of a fleet have Redis do for each new session: a lookup and a write. */
class OtherSidecars {
  private made = 0;

  private constructor(
    private readonly socket: Socket,
    private readonly script: string,
  ) {
    socket.resume();
  }

  static async connect({ port, ask }: Lab): Promise<OtherSidecars> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new OtherSidecars(socket, await ask('SCRIPT', 'LOAD', REPLACE));
  }

  callUpTo(count: number): void {
    let text = '';
    for (; this.made < count; this.made++) {
      const key = `roost:${String(this.made).padStart(22, '0')}`;
      text += command('GETRANGE', key, '0', '48');
      text += command('EVALSHA', this.script, '1', key, 'x'.repeat(48), String(TTL_MS), '');
    }
    if (text !== '') this.socket.write(text);
  }

  close(): void {
    this.socket.destroy();
  }
}

function command(...words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
}

function find(store: SessionStore, id: bigint): Promise<SharedSession | undefined> {
  return store.find(records, SERVICE, hashOf(id), TTL_MS);
}

function session(id: bigint): SharedSession {
  const pin = { release: 11, endpoint: 2 ** 48 + 12, label: false, generation: 0, revision: 5 };
  return { hash: hashOf(id), pin, idleS: 0, source: 0, tag: 0 };
}

function hashOf(id: bigint): bigint {
  return BigInt.asUintN(64, (id + 1n) * 0x9e3779b97f4a7c15n);
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function memoryOf({ ask }: Lab): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await ask('INFO', 'memory'))?.[1]);
}

/** Seconds. */
async function cpuOf({ ask }: Lab): Promise<number> {
  const text = await ask('INFO', 'cpu');
  const of = (name: string) => Number(new RegExp(`${name}:([\\d.]+)`).exec(text)?.[1]);
  return of('used_cpu_user') + of('used_cpu_sys');
}

function percentiles(times: readonly number[]): string {
  const ascending = sorted(times);
  const of = (percent: number) => percentile(ascending, percent).toFixed(2);
  return `p50 ${of(50)} ms, p99 ${of(99)} ms, at most ${of(100)} ms`;
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

function row(what: string, figure: string): void {
  console.log(`${what.padEnd(75)} ${figure}`);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

await main();
