import t from 'tap';
import { HeadCollector } from '../../../../sidecar/http1/head-collector.js';
import { shown, verdict } from '../../../support/http1/heads.js';

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** What the collector makes of pieces: the head and how much of the last piece was used. */
function collect(pieces: readonly string[], { maxBytes = 1000, emptyLine = true } = {}) {
  const heads = new HeadCollector(maxBytes, emptyLine);
  for (const piece of pieces) {
    const end = heads.collect(Buffer.from(piece, 'latin1'), 0);
    if (end !== -1) return { text: heads.text, rest: piece.slice(end) };
  }
  return { pending: heads.pending };
}

t.test('finds the end of a head wherever it was cut, and leaves what follows', async (t) => {
  const bytes = `${REQUEST}body`;
  for (let a = 1; a < bytes.length; a++) {
    for (let b = a; b < bytes.length; b++) {
      const pieces = [bytes.slice(0, a), bytes.slice(a, b), bytes.slice(b)];
      const found = collect(pieces);
      if (found.text !== REQUEST) t.fail(`cut at ${a} and ${b}: ${shown(String(found.text))}`);
    }
  }
  t.strictSame(collect([bytes]), { text: REQUEST, rest: 'body' });
  t.strictSame(collect([...REQUEST, 'body'].slice(0, -1)), { text: REQUEST, rest: '' });
});

t.test('starts where it is told to', async (t) => {
  const heads = new HeadCollector(1000, true);
  t.equal(heads.collect(Buffer.from(`body${REQUEST}x`), 4), 4 + REQUEST.length);
  t.equal(heads.text, REQUEST);
});

t.test('passes over one empty line, however it was cut (RFC 9112 section 2.2)', async (t) => {
  for (const pieces of [
    [`\r\n${REQUEST}`],
    ['\r', `\n${REQUEST}`],
    ['\r\n', REQUEST],
    ['\r', '\n', REQUEST],
    ['\r\nG', REQUEST.slice(1)],
    [...`\r\n${REQUEST}`],
  ]) {
    t.equal(collect(pieces).text, REQUEST, shown(pieces.join('|')));
  }
});

t.test('passes over no second empty line, however it was cut (RFC 9112 section 2.2)', async (t) => {
  for (const pieces of [
    [`\r\n\r\n${REQUEST}`],
    ['\r\n', `\r\n${REQUEST}`],
    ['\r\n', '\r\n', REQUEST],
    ['\r', '\n\r\n', REQUEST],
    ['\r', '\n', '\r', `\n${REQUEST}`],
  ]) {
    t.equal(collect(pieces).text, `\r\n${REQUEST}`, shown(pieces.join('|')));
  }
});

t.test('passes over an empty line before the next head again', async (t) => {
  const heads = new HeadCollector(1000, true);
  for (let i = 0; i < 3; i++) {
    t.equal(heads.collect(Buffer.from(`\r\n${REQUEST}`), 0), REQUEST.length + 2);
    t.equal(heads.text, REQUEST);
    heads.reset();
  }
});

t.test('an empty line alone is no head that is under way', async (t) => {
  t.strictSame(collect(['\r\n']), { pending: false });
  t.strictSame(collect(['\r']), { pending: true });
  t.strictSame(collect(['G']), { pending: true });
});

t.test('of a response no empty line is passed over', async (t) => {
  for (const pieces of [[`\r\n${REQUEST}`], ['\r', `\n${REQUEST}`], ['\r\n', REQUEST]]) {
    t.equal(collect(pieces, { emptyLine: false }).text, `\r\n${REQUEST}`);
  }
});

t.test('takes a head of exactly its bound and no byte more, however it was cut', async (t) => {
  for (let at = 0; at <= REQUEST.length; at++) {
    const pieces = [REQUEST.slice(0, at), REQUEST.slice(at)];
    t.equal(collect(pieces, { maxBytes: REQUEST.length }).text, REQUEST, `cut at ${at}`);
    t.equal(
      verdict(() => collect(pieces, { maxBytes: REQUEST.length - 1 })),
      431,
      `cut at ${at}`,
    );
  }
});

t.test('gives up on a head without an end as soon as its bound is passed', async (t) => {
  const heads = new HeadCollector(100, true);
  let fed = 0;
  const feedAll = () => {
    for (; fed < 1000; fed++) heads.collect(Buffer.from('a'), 0);
  };
  t.equal(verdict(feedAll), 431);
  t.equal(fed, 100);
  t.equal(
    verdict(() => collect(['a'.repeat(1_000_000)], { maxBytes: 100 })),
    431,
  );
});

t.test('copies no byte more than a few times, however small the pieces are', async (t) => {
  const { copy } = Buffer.prototype;
  t.teardown(() => Object.assign(Buffer.prototype, { copy }));
  let copied = 0;
  Buffer.prototype.copy = function (...args: Parameters<typeof copy>) {
    const bytes = copy.apply(this, args);
    copied += bytes;
    return bytes;
  };
  const bytes = `GET /${'a'.repeat(60_000)} HTTP/1.1\r\n\r\n`;
  t.equal(collect([...bytes], { maxBytes: 65_536 }).text, bytes);
  t.ok(copied >= bytes.length && copied < 4 * bytes.length, `${copied} bytes copied of ${bytes.length}`);
});

t.test(
  'notices a bare LF without waiting for an end that will not come (RFC 9112 section 2.2)',
  async (t) => {
    for (const pieces of [
      ['GET / HTTP/1.1\nHost: a\n\n'],
      ['GET / HTTP/1.1\n'],
      ['GET / HTTP/1.1', '\n'],
      ['GET / HTTP/1.1\r\nHost: a\n'],
      ['GET / HTTP/1.1\r', '\n', 'Host: a', '\n'],
      ['\n'],
    ]) {
      t.equal(
        verdict(() => collect(pieces)),
        400,
        shown(pieces.join('|')),
      );
    }
    t.strictSame(collect(['GET / HTTP/1.1\r', '\nHost: a\r', '\n']), { pending: true });
  },
);
