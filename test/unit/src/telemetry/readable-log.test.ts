import t from 'tap';
import { createLogger } from '../../../../src/telemetry/logger.js';
import { isReadable, readableLine } from '../../../../src/telemetry/readable-log.js';

const line = (fields: object) =>
  JSON.stringify({ level: 30, time: '2026-12-01T13:45:01.123Z', process: 'sidecar', ...fields });

t.test('a line has its time, level, component, message and fields', async (t) => {
  t.equal(readableLine(line({ msg: 'ready' }), false), '13:45:01 INFO  ready\n');
  t.equal(
    readableLine(
      line({ level: 40, component: 'store', msg: 'the disk is full', path: '/var/lib', by: 'a b', n: 3 }),
      false,
    ),
    '13:45:01 WARN  store: the disk is full  path=/var/lib by="a b" n=3\n',
  );
});

t.test('warnings and errors are coloured on a terminal', async (t) => {
  t.match(readableLine(line({ level: 40, msg: 'm' }), true), '\x1b[33mWARN \x1b[0m m');
  t.match(readableLine(line({ level: 50, msg: 'm' }), true), '\x1b[31mERROR\x1b[0m m');
});

t.test('what is not JSON stays as it is', async (t) => {
  t.equal(readableLine('nonsense\n', false), 'nonsense\n');
});

t.test('people get text on a terminal, and programs JSON', async (t) => {
  t.same(
    [
      isReadable('auto', true),
      isReadable('auto', false),
      isReadable('json', true),
      isReadable('text', false),
    ],
    [true, false, false, true],
  );
});

t.test('what a peer said cannot move the cursor of a terminal', async (t) => {
  const lines: string[] = [];
  const log = createLogger('test', 'info', { write: (text: string) => void lines.push(text) }, 'text');
  log.info({ peer: '\x1b[2Jgone\n' }, 'said \x1b[2J');
  t.notMatch(lines.join(''), /\x1b\[2J/);
  t.match(lines[0], /^\d\d:\d\d:\d\d INFO {2}said /);
});
