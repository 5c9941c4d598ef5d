import t from 'tap';
import { changedFields, changedRequestHead } from '../../../../sidecar/http1/changed-head.js';
import type { Field } from '../../../../src/http/field-line.js';

const head = (...lines: string[]) => `${lines.join('\r\n')}\r\n\r\n`;
const fields = (dropped: readonly string[], ...added: Field[]) => ({ dropped: new Set(dropped), added });

t.test('drops fields by name in any case, every one of them, and keeps the rest byte for byte', async (t) => {
  const lines = 'X-A: 1\r\nA:x-a: 2\r\nx-a:\r\nX-AB: 3\r\nB: \xe9\r\nx-A: 4\r\n';
  t.equal(changedFields(lines, fields(['x-a'])), 'A:x-a: 2\r\nX-AB: 3\r\nB: \xe9\r\n');
  t.equal(changedFields(lines, fields(['none'], ['X-C', '1'])), `${lines}X-C: 1\r\n`);
  t.equal(changedFields(lines, fields([])), lines);
  t.equal(changedFields('X-A: 1\r\n', fields(['x-a'])), '');
  t.equal(changedFields('', fields(['x-a'], ['B', '1'])), 'B: 1\r\n');
});

t.test('changes path and host, and leaves query, method and version', async (t) => {
  const changes = { fields: undefined, path: (path: string) => `/x${path}`, host: 'new.example' };
  const change = (text: string) => changedRequestHead(text, changes, undefined);
  t.equal(
    change(head('GET /a?b=/c HTTP/1.1', 'A: 1', 'hOST: old:80', 'B: 2')),
    head('GET /x/a?b=/c HTTP/1.1', 'Host: new.example', 'A: 1', 'B: 2'),
  );
  t.equal(
    change(head('OPTIONS * HTTP/1.1', 'Host: old')),
    head('OPTIONS * HTTP/1.1', 'Host: new.example'),
    'which is not a path',
  );
  t.equal(change(head('GET /? HTTP/1.1', 'Host: a')), head('GET /x/? HTTP/1.1', 'Host: new.example'));
});

t.test('writes no path and no host that would be more than one', async (t) => {
  const text = head('GET /a HTTP/1.1', 'Host: old');
  for (const evil of ['/ HTTP/1.1\r\nX-Evil: 1', '/a b', '/a?b', 'a']) {
    const changes = { fields: undefined, path: () => evil, host: `new\r\n${evil}` };
    t.equal(changedRequestHead(text, changes, undefined), text, JSON.stringify(evil));
  }
});

t.test('changes fields and keeps the rest', async (t) => {
  const changes = { fields: fields(['a', 'baggage'], ['A', 'new']), path: undefined, host: '' };
  const text = head('GET / HTTP/1.1', 'Host: h', 'A: old', 'baggage: x=1,roost-lane=blue');
  t.equal(changedRequestHead(text, changes, undefined), head('GET / HTTP/1.1', 'Host: h', 'A: new'));
  t.equal(
    changedRequestHead(text, changes, 'x=1,roost-lane=blue'),
    head('GET / HTTP/1.1', 'Host: h', 'A: new', 'baggage: x=1,roost-lane=blue'),
    'a lane that the sidecar has put there',
  );
});
