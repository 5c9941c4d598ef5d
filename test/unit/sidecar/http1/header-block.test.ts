import t from 'tap';
import { HeaderBlock, ID, KNOWN_HEADERS } from '../../../../sidecar/http1/header-block.js';
import { headerName } from '../../../../src/http/header-name.js';

function blockOf(...fields: string[]): HeaderBlock {
  const text = fields.map((field) => `${field}\r\n`).join('');
  const block = new HeaderBlock(100);
  block.parse(`first line\r\n${text}\r\n`, 12, 12 + text.length);
  return block;
}

t.test('finds every known header by its number, in any letter case', async (t) => {
  for (const name of KNOWN_HEADERS) {
    for (const spelt of [name, name.toUpperCase()]) {
      const block = blockOf('x: 1', `${spelt}: value`, 'y: 2');
      t.equal(block.known(ID[name]), 'value', spelt);
      t.equal(block.countOf(ID[name]), 1);
      t.strictSame([block.idAt(0), block.idAt(1), block.idAt(2)], [-1, ID[name], -1]);
    }
  }
});

t.test('takes no other name for a known one', async (t) => {
  for (const name of KNOWN_HEADERS) {
    for (const other of [`${name}x`, `x${name}`, name.slice(1), name.slice(0, -1), name.replace(/.$/, '_')]) {
      if ((KNOWN_HEADERS as readonly string[]).includes(other)) continue;
      t.equal(blockOf(`${other}: value`).countOf(ID[name]), 0, `${other} is not ${name}`);
    }
  }
});

t.test('tells two names with the same hash apart', async (t) => {
  const taken = headerName('host');
  const block = blockOf('hosu: a', 'Host: b');
  t.equal(block.get({ ...taken, lower: 'hosu' }), undefined, 'the text has to agree as well');
  t.equal(block.get(taken), 'b');
});

t.test('joins the values of a field that came several times, in order (RFC 9110 section 5.3)', async (t) => {
  const block = blockOf('Baggage: a', 'X-User: 1', 'baggage:b ', 'x-user:', 'BAGGAGE: c, d');
  t.equal(block.known(ID.baggage), 'a, b, c, d');
  t.equal(block.countOf(ID.baggage), 3);
  t.equal(block.get(headerName('Baggage')), 'a,b,c, d');
  t.equal(block.get(headerName('x-user')), '1,');
  t.strictSame(block.getAll(headerName('x-user')), ['1', '']);
  t.strictSame(block.getAll(headerName('x-none')), []);
  t.equal(block.get(headerName('x-none')), undefined);
  t.equal(block.known(ID.host), undefined);
});

t.test('joins the lines of Cookie like the cookies of one line (RFC 9113 section 8.2.3)', async (t) => {
  const block = blockOf('Cookie: a=1; b=2', 'X-User: 1', 'cookie: c=3', 'COOKIE: d=4');
  t.equal(block.get(headerName('Cookie')), 'a=1; b=2; c=3; d=4');
  t.strictSame(block.getAll(headerName('cookie')), ['a=1; b=2', 'c=3', 'd=4']);
});

t.test('gives back lines exactly as they were written', async (t) => {
  const block = blockOf('aB:1', 'X-y: \t 2 ', 'z:');
  t.equal(block.lines(0, 3), 'aB:1\r\nX-y: \t 2 \r\nz:\r\n');
  t.equal(block.lines(1, 2), 'X-y: \t 2 \r\n');
  t.equal(block.lines(2, 2), '');
  t.strictSame([block.nameAt(1), block.valueAt(1)], ['X-y', '2']);
});

t.test('holds as many fields as it was made for; one more is too many', async (t) => {
  const block = new HeaderBlock(2);
  const lines = 'a: 1\r\nb: 2\r\nc: 3\r\n';
  block.parse(lines, 0, 12);
  t.equal(block.count, 2);
  t.throws(() => block.parse(lines, 0, 18), { name: 'ProtocolError', status: 431 });
});

t.test('forgets the fields of the message before', async (t) => {
  const block = blockOf('Host: a', 'Expect: x');
  block.parse('Expect: y\r\n', 0, 11);
  t.equal(block.countOf(ID.host), 0);
  t.equal(block.known(ID.expect), 'y');
  t.equal(block.count, 1);
});
