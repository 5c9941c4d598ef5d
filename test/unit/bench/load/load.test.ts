import t from 'tap';
import { arrivalTimes } from '../../../../bench/load/arrivals.js';
import { ResponseReader } from '../../../../bench/load/response-reader.js';
import { parseWrk } from '../../../../bench/load/wrk.js';
import { differences, type Probe } from '../../../../bench/validate.js';

t.test('arrivals come at the rate asked for, in order, and the same in every run', async (t) => {
  const times = arrivalTimes(1000, 10, 1);
  t.ok(Math.abs(times.length - 10_000) < 500, `${times.length} arrivals`);
  t.ok(times.every((time, i) => i === 0 || time >= (times[i - 1] as number)));
  t.ok((times[times.length - 1] as number) < 10_000);
  const text = times.join();
  t.ok(arrivalTimes(1000, 10, 1).join() === text, 'the same seed');
  t.ok(arrivalTimes(1000, 10, 2).join() !== text, 'another seed');
});

t.test('a response is complete at its last byte, however it is cut into pieces', async (t) => {
  const whole = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nconnection: close\r\n\r\nhello');
  for (let cut = 1; cut < whole.length; cut++) {
    const reader = new ResponseReader();
    t.equal(reader.read(whole.subarray(0, cut)), false, `first ${cut} bytes`);
    t.equal(reader.read(whole.subarray(cut)), true, `the rest after ${cut}`);
    t.same([reader.status, reader.bodyBytes, reader.closes], [200, 5, true]);
  }
});

t.test('a response without a length, or with more than it, is an error', async (t) => {
  t.throws(() => new ResponseReader().read(Buffer.from('HTTP/1.1 200 OK\r\n\r\n')));
  t.throws(() => new ResponseReader().read(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab')));
});

t.test('reads what the wrk script prints, and counts broken connections as errors', async (t) => {
  const output = 'Running 1s test\nRESULT 5000 2000000 1234567 2 3\n';
  t.same(parseWrk(output), { requests: 5000, seconds: 2, bytes: 1_234_567, errors: 5 });
  t.same(parseWrk(output, true).errors, 2, 'where the server is meant to close');
  t.throws(() => parseWrk('unable to connect'));
});

const probes: readonly Probe[] = Array.from({ length: 1000 }, (_, i) => ({
  user: `user-${i}`,
  status: 200,
  servedBy: `${i % 5 === 0 ? 'v2' : 'v1'}-${(i % 2) + 1}`,
  forwardedFor: '127.0.0.1',
  requestId: `${i}`,
}));

t.test('a proxy that does the job passes the check', async (t) => {
  t.same(differences(probes, true), []);
});

t.test('a proxy that does another job is caught, whatever the difference', async (t) => {
  const changed = (change: (probe: Probe, i: number) => Partial<Probe>) =>
    differences(
      probes.map((probe, i) => ({ ...probe, ...change(probe, i) })),
      true,
    ).join();
  t.match(
    changed(() => ({ status: 503 })),
    /503/,
  );
  t.match(
    changed((_, i) => ({ servedBy: `v1-${(i % 2) + 1}` })),
    /0\.0 % of sessions on the canary/,
  );
  t.match(
    changed(({ servedBy }) => ({ servedBy: `${servedBy.slice(0, 2)}-1` })),
    /v1-2 gets next to nothing/,
  );
  t.match(
    changed((_, i) => ({
      user: `user-${i % 500}`,
      servedBy: `${i % 5 === 0 ? 'v2' : 'v1'}-${(i % 3 > 0 ? 1 : 0) + 1}`,
    })),
    /did not stay/,
  );
  t.match(
    changed(() => ({ forwardedFor: '' })),
    /x-forwarded-for/,
  );
  t.match(
    changed(() => ({ requestId: 'same' })),
    /x-request-id/,
  );
});
