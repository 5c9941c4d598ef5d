import t from 'tap';
import { ChunkedScanner } from '../../../../sidecar/http1/chunked-scanner.js';
import { shown, verdict } from '../../../support/http1/heads.js';

interface Scanned {
  readonly taken: string;
  readonly trailers: string;
  readonly done: boolean;
  /** What follows the body in its last piece. */
  readonly rest: string;
}

function scan(pieces: readonly string[], mode: 'raw' | 'content' = 'raw', maxTrailerBytes = 1000): Scanned {
  const scanner = new ChunkedScanner(maxTrailerBytes);
  scanner.reset(mode);
  let taken = '';
  let rest = '';
  for (const text of pieces) {
    const piece = Buffer.from(text, 'latin1');
    const take = (from: Buffer, start: number, end: number) => (taken += from.toString('latin1', start, end));
    rest = text.slice(scanner.scan(piece, 0, take));
  }
  return { taken, trailers: scanner.done ? scanner.trailers : '', done: scanner.done, rest };
}

t.test('follows chunks to the end of the body (RFC 9112 section 7.1)', async (t) => {
  const body = '5\r\nhello\r\nA\r\n \r\n0\r\n\r\nwo\r\n003\r\nrld\r\n0\r\n\r\n';
  const raw = scan([`${body}NEXT`]);
  t.strictSame(raw, { taken: body.slice(0, -2), trailers: '', done: true, rest: 'NEXT' });
  const content = scan([`${body}NEXT`], 'content');
  t.strictSame(content, { taken: 'hello \r\n0\r\n\r\nworld', trailers: '', done: true, rest: 'NEXT' });
});

t.test('takes sizes in any hexadecimal writing, up to what a number counts exactly', async (t) => {
  for (const size of ['a', 'A', '0a', '000000000000a', '0000000000A']) {
    t.equal(scan([`${size}\r\n0123456789\r\n0\r\n\r\n`], 'content').taken, '0123456789', size);
  }
  for (const zero of ['0', '00', '0000000000000']) t.equal(scan([`${zero}\r\n\r\n`]).done, true, zero);
  t.equal(scan(['fffffffffffff\r\nx']).done, false, '2^52 - 1 is still exact');
});

t.test('an empty body is its last chunk alone', async (t) => {
  t.strictSame(scan(['0\r\n\r\n']), { taken: '0\r\n', trailers: '', done: true, rest: '' });
  t.strictSame(scan(['0\r\n\r\n'], 'content'), { taken: '', trailers: '', done: true, rest: '' });
});

t.test('is cut anywhere with the same result', async (t) => {
  const body = '5;a=b\r\nhello\r\n10;"x y"\r\n0123456789abcdef\r\n0;z\r\nT: 1\r\nU: 2\r\n\r\n';
  for (const mode of ['raw', 'content'] as const) {
    const whole = scan([body], mode);
    t.equal(whole.done, true);
    for (let a = 0; a <= body.length; a++) {
      for (let b = a; b <= body.length; b++) {
        const cut = scan([body.slice(0, a), body.slice(a, b), body.slice(b)], mode);
        if (cut.taken !== whole.taken || cut.trailers !== whole.trailers || !cut.done)
          t.strictSame(cut, whole, `${mode}, cut at ${a} and ${b}`);
      }
    }
    t.strictSame(scan([...body], mode), whole, 'byte by byte');
  }
});

t.test('refuses a chunk size that is not a plain hexadecimal number (RFC 9112 section 7.1)', async (t) => {
  const sizes = [
    '',
    ' 5',
    '\t5',
    '5 ',
    '5\t',
    '0x5',
    '+5',
    '-5',
    '-1',
    '5.',
    '5,5',
    '5_',
    'g',
    'five',
    '"5"',
    '5\x00',
    '\x005',
    '5\x0b',
    '\xa05',
    '5\xa0',
    '\xd9\xa5',
    ' ',
    ';a',
    ' ;a',
    '5 ;a',
    '5\r',
    '\r5',
  ];
  for (const size of sizes) {
    const body = `${size}\r\nhello\r\n0\r\n\r\n`;
    t.equal(
      verdict(() => scan([body])),
      400,
      shown(body),
    );
    t.equal(
      verdict(() => scan([...body])),
      400,
      `${shown(body)}, byte by byte`,
    );
  }
});

t.test('refuses a chunk size that could overflow (RFC 9112 section 7.1)', async (t) => {
  for (const size of [
    '10000000000000',
    'ffffffffffffff',
    'ffffffffffffffff',
    '10000000000000005',
    '00000000000005',
    `${'0'.repeat(100)}5`,
    'f'.repeat(10_000),
  ]) {
    t.equal(
      verdict(() => scan([`${size}\r\nhello\r\n0\r\n\r\n`])),
      400,
      shown(size),
    );
  }
});

t.test('refuses lines that do not end with CRLF (RFC 9112 section 7.1)', async (t) => {
  for (const body of [
    '5\nhello\r\n0\r\n\r\n',
    '5\r\nhello\n0\r\n\r\n',
    '5\r\nhello0\r\n\r\n',
    '5\rhello\r\n0\r\n\r\n',
    '5\r\nhello\r0\r\n\r\n',
    '5\r\r\nhello\r\n0\r\n\r\n',
    '5\r\nhello\r\r\n0\r\n\r\n',
    '5\r\nhello \r\n0\r\n\r\n',
    '5\r\nhello!\r\n0\r\n\r\n',
    '4\r\nhello\r\n0\r\n\r\n',
    '0\n\n',
    '0\n\r\n',
    '0\r\r\n\r\n',
    '5\r\nhello\r\n\r\n0\r\n\r\n',
    '\r\n5\r\nhello\r\n0\r\n\r\n',
    '5;a\nhello\r\n0\r\n\r\n',
    '5;a\rb\r\nhello\r\n0\r\n\r\n',
    '0\r\nT: 1\n\n',
    '0\r\n\n',
  ]) {
    t.equal(
      verdict(() => scan([body])),
      400,
      shown(body),
    );
    t.equal(
      verdict(() => scan([...body])),
      400,
      `${shown(body)}, byte by byte`,
    );
  }
});

t.test('drops chunk extensions, and checks them (RFC 9112 section 7.1.1)', async (t) => {
  for (const extension of [';', ';a', ';a=b', '; a = "b c"', ';a;b;c=d', ';\t', ';0\\', ';a="']) {
    t.equal(
      scan([`5${extension}\r\nhello\r\n0${extension}\r\n\r\n`]).taken,
      '5\r\nhello\r\n0\r\n',
      extension,
    );
  }
  for (const extension of [';\x00', ';a\x01', ';a=\x7f', ';\x80', ';a="\xe9"', ';a\x0b', ';a\n', ';a\r;']) {
    t.equal(
      verdict(() => scan([`5${extension}\r\nhello`])),
      400,
      shown(extension),
    );
  }
});

t.test('bounds chunk extensions, over all chunks of a message (RFC 9112 section 7.1.1)', async (t) => {
  t.equal(scan([`5;${'a'.repeat(4000)}\r\nhello\r\n0\r\n\r\n`]).taken, '5\r\nhello\r\n0\r\n');
  t.equal(
    verdict(() => scan([`5;${'a'.repeat(4097)}\r\nhello\r\n0\r\n\r\n`])),
    400,
  );
  t.equal(
    verdict(() => scan([`5;${'a'.repeat(100_000)}`])),
    400,
  );
  t.equal(
    verdict(() => scan([`1;${'a'.repeat(40)}\r\nx\r\n`.repeat(200)])),
    400,
    'many small ones',
  );
});

t.test('keeps the trailer section apart from the body (RFC 9112 section 7.1.2)', async (t) => {
  const scanned = scan(['1\r\nx\r\n0\r\nA: 1\r\nB: 2\r\n\r\nNEXT']);
  t.strictSame(scanned, { taken: '1\r\nx\r\n0\r\n', trailers: 'A: 1\r\nB: 2\r\n', done: true, rest: 'NEXT' });
});

t.test('bounds the trailer section, the same however it was cut (RFC 9112 section 7.1.2)', async (t) => {
  const section = 'T: 1\r\nUUUUU: 2\r\n\r\n';
  for (let at = 0; at <= section.length; at++) {
    const pieces = [`0\r\n${section.slice(0, at)}`, section.slice(at)];
    t.equal(scan(pieces, 'raw', section.length).done, true, `cut at ${at}`);
    t.equal(
      verdict(() => scan(pieces, 'raw', section.length - 1)),
      431,
      `cut at ${at}`,
    );
  }
  t.equal(
    verdict(() => scan([`0\r\nT: ${'a'.repeat(10_000)}`])),
    431,
  );
  t.equal(
    verdict(() => scan(['0\r\n', ...Array(10_000).fill('a')])),
    431,
  );
});

t.test('is used again for the next message, whatever became of the last one', async (t) => {
  const scanner = new ChunkedScanner(100);
  for (const broken of ['5\r\nhel', '5;abc', '0\r\nT: 1\r\n', 'ff']) {
    scanner.reset('raw');
    scanner.scan(Buffer.from(broken), 0, () => {});
    t.equal(scanner.done, false);
    scanner.reset('content');
    let taken = '';
    const next = Buffer.from('2\r\nok\r\n0\r\n\r\n');
    t.equal(
      scanner.scan(next, 0, (from, a, b) => (taken += from.toString('latin1', a, b))),
      next.length,
    );
    t.strictSame([taken, scanner.done, scanner.trailers], ['ok', true, ''], broken);
  }
});
