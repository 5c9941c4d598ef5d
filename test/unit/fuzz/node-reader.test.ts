import t from 'tap';
import { readByNode } from '../../fuzz/node-reader.js';

t.test('reads requests as node:http does, with their content', async (t) => {
  const get = 'GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n';
  const chunks =
    'POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n';
  const expecting = 'POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n\xffx';
  const reading = { method: 'POST', host: 'a', complete: true };
  t.same(readByNode(get), [{ method: 'GET', target: '/a?b', host: 'a', body: '', complete: true }]);
  t.same(readByNode(chunks), [{ ...reading, target: '/c', body: 'ok!' }]);
  t.same(readByNode(expecting), [{ ...reading, target: '/e', body: '\xffx' }]);
  t.equal(readByNode(get + get)?.length, 2);
  t.equal(readByNode(chunks.slice(0, -1))?.[0]?.complete, false);
});

t.test('says when node:http refuses', async (t) => {
  for (const bytes of [
    'GET / HTTP/1.1\nHost : a\r\n\r\n',
    'NONSENSE / HTTP/1.1\r\nHost: a\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ])
    t.equal(readByNode(bytes), undefined);
});
