import t from 'tap';
import { DEFAULT_LIMITS } from '../../../../sidecar/http/limits.js';
import { TunnelIdle } from '../../../../sidecar/tcp/tunnel-idle.js';

const HOUR = 3_600_000;
const tunnel = (tunnelIdleTimeoutMs: number, streamIdleTimeoutMs: number) =>
  new TunnelIdle({ ...DEFAULT_LIMITS, tunnelIdleTimeoutMs, streamIdleTimeoutMs }, 1000);

t.test('a tunnel may carry nothing for so long after the last bytes', async (t) => {
  const idle = tunnel(500, HOUR);
  t.notOk(idle.isOver(1499));
  t.ok(idle.isOver(1500));
  idle.carried(1400);
  t.notOk(idle.isOver(1899));
  t.ok(idle.isOver(1900));
});

t.test('once one side has ended, the idle time of requests counts, where there is one', async (t) => {
  for (const [ofTunnels, ofRequests, left] of [
    [HOUR, 500, 500],
    [0, 500, 500],
    [500, 0, 500],
    [0, 0, 0],
  ] as const) {
    const idle = tunnel(ofTunnels, ofRequests);
    t.equal(idle.limitMs, ofTunnels);
    idle.ended();
    t.equal(idle.limitMs, left);
    t.equal(idle.isOver(1500), left !== 0);
  }
});
