import t, { type Test } from 'tap';
import {
  ABSENT_MS,
  DnsRefresher,
  type DnsRefresherOptions,
  type ResolvedAddress,
  UNANSWERED_MS,
} from '../../../../sidecar/cluster/dns-refresher.js';
import { createLogger } from '../../../../src/telemetry/logger.js';
import { eventually } from '../../../support/processes.js';

const NAME = { weight: 1, zone: '', status: 'healthy' } as const;
const named = (host: string) => ({ ...NAME, host, port: 80, address: `${host}:80` });

/** Names that a test has resolve or fail, on a clock of its own. */
class World {
  nowMs = 1000;
  readonly answers = new Map<string, readonly string[] | string>();
  endpoints: readonly string[] | undefined;
  readonly log: string[] = [];
  private rounds = 0;

  constructor(t: Test, hosts: readonly string[]) {
    const log = createLogger('test', 'info', {
      write: (line: string) => this.log.push((JSON.parse(line) as { msg: string }).msg),
    });
    const options: DnsRefresherOptions = {
      cluster: 'shop/checkout/v1',
      config: { kind: 'dns', endpoints: hosts.map(named), refreshMs: 1, logical: false, family: 'any' },
      resolve: async (host, port) => this.resolve(host, port),
      log,
      nowMs: () => this.nowMs,
      onEndpoints: (endpoints) => {
        this.endpoints = endpoints.map(({ address }) => address);
      },
    };
    for (const host of hosts) this.answers.set(host, ['10.0.0.1']);
    const refresher = new DnsRefresher(options);
    t.teardown(() => refresher.close());
  }

  private resolve(host: string, port: number): readonly ResolvedAddress[] {
    this.rounds++;
    const answer = this.answers.get(host) ?? 'ENOTFOUND';
    if (typeof answer === 'string') throw Object.assign(new Error(answer), { code: answer });
    return answer.map((address) => ({ host: address, port }));
  }

  /** Waits until what is said now has been heard. */
  async heard(): Promise<void> {
    const after = this.rounds + 3 * this.answers.size;
    await eventually('names are looked up again', () => this.rounds >= after);
  }
}

for (const [code, boundMs] of [
  ['ENOTFOUND', ABSENT_MS],
  ['ENODATA', ABSENT_MS],
  ['EAI_AGAIN', UNANSWERED_MS],
  ['EAI_FAIL', UNANSWERED_MS],
] as const)
  t.test(`a name that fails with ${code} keeps its addresses for ${boundMs / 1000} s`, async (t) => {
    const world = new World(t, ['checkout']);
    await world.heard();
    t.strictSame(world.endpoints, ['10.0.0.1:80']);
    world.answers.set('checkout', code);
    world.nowMs += boundMs - 1;
    await world.heard();
    t.strictSame(world.endpoints, ['10.0.0.1:80']);
    world.nowMs += 1;
    await world.heard();
    t.strictSame(world.endpoints, []);
    world.answers.set('checkout', ['10.0.0.2']);
    await world.heard();
    t.strictSame(world.endpoints, ['10.0.0.2:80']);
    t.strictSame(world.log, [
      'a DNS name does not resolve',
      'a DNS name has not resolved for long; its addresses are given up',
      'a DNS name resolves again',
    ]);
  });

t.test('each answer counts anew, and each name for itself', async (t) => {
  const world = new World(t, ['a', 'b']);
  world.answers.set('b', ['10.0.0.2']);
  await world.heard();
  world.answers.set('a', 'ENOTFOUND');
  world.nowMs += ABSENT_MS - 1;
  await world.heard();
  world.answers.set('a', ['10.0.0.1']);
  await world.heard();
  world.answers.set('a', 'ENOTFOUND');
  world.nowMs += ABSENT_MS - 1;
  await world.heard();
  t.strictSame(world.endpoints, ['10.0.0.1:80', '10.0.0.2:80']);
  world.nowMs += 1;
  await world.heard();
  t.strictSame(world.endpoints, ['10.0.0.2:80']);
});

t.test(
  'servers that stop answering after they have said that a name is gone bring nothing back',
  async (t) => {
    const world = new World(t, ['checkout']);
    await world.heard();
    world.answers.set('checkout', 'ENOTFOUND');
    world.nowMs += ABSENT_MS;
    await world.heard();
    t.strictSame(world.endpoints, []);
    world.answers.set('checkout', 'EAI_AGAIN');
    await world.heard();
    t.strictSame(world.endpoints, []);
  },
);

t.test('names that no name server answers hold nothing back, and count when they are answered', async (t) => {
  const heard: (readonly string[])[] = [];
  let answer = (_: readonly ResolvedAddress[]) => {};
  const refresher = new DnsRefresher({
    cluster: 'shop/checkout/v1',
    config: { kind: 'dns', endpoints: [named('checkout')], refreshMs: 1, logical: false, family: 'any' },
    resolve: () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
    log: createLogger('test', 'silent'),
    nowMs: () => 0,
    firstAnswerMs: 1,
    onEndpoints: (endpoints) => heard.push(endpoints.map(({ address }) => address)),
  });
  t.teardown(() => refresher.close());
  await eventually('it goes on without the name', () => heard.length === 1);
  answer([{ host: '10.0.0.1', port: 80 }]);
  await eventually('the answer is heard', () => heard.length === 2);
  t.strictSame(heard, [[], ['10.0.0.1:80']]);
});
