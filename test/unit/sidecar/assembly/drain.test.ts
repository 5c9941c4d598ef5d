import t, { type Test } from 'tap';
import { Drain, type DrainedListener } from '../../../../sidecar/assembly/drain.js';
import { eventually } from '../../../support/processes.js';

/** A listener that notes what it is told. */
class Told implements DrainedListener {
  readonly told: string[] = [];
  connections = 1;
  busy = 0;
  failure: Error | undefined;

  figures() {
    return { accepted: 1, requests: 1, connections: this.connections, busy: this.busy };
  }

  announceEnd(): void {
    this.told.push('announceEnd');
  }

  async refuse(): Promise<void> {
    this.told.push('refuse');
  }

  endIdle(): void {
    this.told.push('endIdle');
  }

  async serveAgain(): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.told.push('serveAgain');
  }
}

const HOUR = 3_600_000;

function newDrain(t: Test, graceMs: number) {
  const [inbound, outbound] = [new Told(), new Told()];
  const drain = new Drain(inbound, outbound, { graceMs, timeoutMs: HOUR });
  t.teardown(() => drain.cancel());
  return { inbound, outbound, drain };
}

t.test('drain is taken back during its grace, and can begin again', async (t) => {
  const { inbound, outbound, drain } = newDrain(t, HOUR);
  drain.begin();
  t.ok(drain.begun);
  t.ok(await drain.revoke());
  t.notOk(drain.begun);
  t.strictSame(inbound.told, ['announceEnd', 'serveAgain']);
  t.strictSame(outbound.told, []);
  t.ok(await drain.revoke(), 'where there is nothing to take back, too');
  drain.begin();
  t.ok(drain.begun);
  t.strictSame(inbound.told, ['announceEnd', 'serveAgain', 'announceEnd']);
});

t.test('drain is taken back after connections were refused, while requests are under way', async (t) => {
  const { inbound, drain } = newDrain(t, 0);
  inbound.busy = 1;
  drain.begin();
  await eventually('connections are refused', () => inbound.told.includes('refuse'));
  const both = await Promise.all([drain.revoke(), drain.revoke()]);
  t.strictSame(both, [true, true]);
  t.strictSame(inbound.told, ['announceEnd', 'refuse', 'serveAgain'], 'no idle connection is ended');
});

t.test('where the port is lost, the sidecar goes on draining, and the next try may succeed', async (t) => {
  const { inbound, drain } = newDrain(t, HOUR);
  drain.begin();
  inbound.failure = new Error('the port is in use');
  await t.rejects(drain.revoke(), /in use/);
  t.ok(drain.begun);
  inbound.failure = undefined;
  t.ok(await drain.revoke());
  t.notOk(drain.begun);
});

t.test('a process that is about to end does not come back', async (t) => {
  const { inbound, outbound, drain } = newDrain(t, 0);
  inbound.busy = 1;
  drain.begin();
  const revoking = drain.revoke();
  const finishing = drain.finish();
  t.notOk(await revoking);
  t.notOk(await drain.revoke());
  [inbound.busy, inbound.connections, outbound.connections] = [0, 0, 0];
  await finishing;
  t.ok(drain.begun);
  t.equal(inbound.told.at(-1), 'endIdle', 'inbound has gone all the way');
  t.equal(outbound.told.at(-1), 'endIdle');
});
