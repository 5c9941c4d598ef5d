import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { SoakReport } from '../../bench/soak/report.js';
import { OPENSSL } from '../support/certificates.js';

const SOAK = fileURLToPath(new URL('../../bench/soak/main.js', import.meta.url));

/** Ten seconds of load, and the start of eight processes where the processor is shared. */
t.setTimeout(180_000);

async function soaksTenSeconds(t: Test, flags: readonly string[] = []): Promise<void> {
  const args = ['--minutes', '0.17', '--rate', '200', '--allow-stalls', '-o', 'json', ...flags];
  const child = spawn(process.execPath, [SOAK, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill());
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data) => (stdout += String(data)));
  child.stderr.on('data', (data) => (stderr += String(data)));
  const [code] = (await once(child, 'close')) as [number | null];
  t.equal(code, 0, `${stderr}\n${stdout.slice(0, 8000)}`);
  const report = JSON.parse(stdout) as SoakReport;
  const { load, sessions, disturbances, sidecar } = report;
  t.ok(load.answered > 0 && load.answered <= load.requests);
  t.same(load.savable, {});
  t.same(load.unexplained, {});
  t.match(sessions, { flips: 0, hopsWithoutCause: 0 });
  t.ok(sessions.judged > 0, 'sessions came more than once');
  t.ok(disturbances.kills > 0 && disturbances.changes > 0, 'something was disturbed');
  t.ok(sidecar.retries > 0, 'retries saved something');
  t.ok(report.samples.length > 0);
  t.notOk(report.promises.some(({ verdict }) => verdict === 'broken'));
}

t.test('ten seconds of faults: nothing fails that a retry could save, no session leaves', (t) =>
  soaksTenSeconds(t),
);

t.test('the same over TLS', { skip: OPENSSL.skip }, (t) => soaksTenSeconds(t, ['--tls']));
