import t from 'tap';
import { HELP, readOptions } from '../../../bench/options.js';

t.test('without arguments it is the whole comparison', async (t) => {
  t.match(readOptions([], {}), { command: 'compare-proxies', rounds: 5, seconds: 3, only: [], tls: false });
});

t.test('envoy is named by flag, then by variable', async (t) => {
  t.equal(readOptions([], { ENVOY: '/a' }).envoyPath, '/a');
  t.equal(readOptions(['--with-envoy', '/b'], { ENVOY: '/a' }).envoyPath, '/b');
});

t.test('commands and comparisons', async (t) => {
  t.equal(readOptions(['memory'], {}).command, 'memory');
  t.equal(readOptions(['--profile'], {}).command, 'profile');
  t.same(readOptions(['--compare', 'a.json', 'b.json'], {}).compare, ['a.json', 'b.json']);
  t.same(readOptions(['--only', 'haproxy, roost'], {}).only, ['haproxy', 'roost']);
});

t.test('everything that is wrong is said at once', async (t) => {
  t.throws(() => readOptions(['--rounds', 'x', '--seconds', '0', 'nonsense'], {}), {
    name: 'Error',
    message: /--rounds.*\n?.*--seconds|no command/s,
  });
  t.throws(() => readOptions(['--nonsense'], {}), /Unknown option '--nonsense'/);
  t.throws(() => readOptions(['--compare', 'one.json'], {}), /two files/);
});

t.test('every flag is in the help', async (t) => {
  for (const flag of ['rounds', 'seconds', 'only', 'workload', 'tls', 'rate', 'with-envoy', 'json', 'record'])
    t.match(HELP, new RegExp(`--${flag}\\b`));
});
