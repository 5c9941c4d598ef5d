import t from 'tap';
import { headOf, parseRequest, parseResponse, shown, verdict } from '../../../support/http1/heads.js';

type Verdict = ReturnType<typeof verdict>;

const post = (...fields: string[]) => headOf('POST / HTTP/1.1', 'Host: a', ...fields);
const reply = (status: number, ...fields: string[]) => headOf(`HTTP/1.1 ${status} Reason`, ...fields);

function requests(title: string, expected: Verdict, cases: readonly (readonly string[])[]): void {
  t.test(title, async (t) => {
    for (const fields of cases) {
      const head = post(...fields);
      t.equal(
        verdict(() => parseRequest(head)),
        expected,
        shown(head),
      );
      // The rules are the same for responses, whose sender gets no status.
      const answer = reply(200, ...fields);
      t.equal(verdict(() => parseResponse(answer)) === 'ok', expected === 'ok', shown(answer));
    }
  });
}

t.test('a request has a body if it declares one (RFC 9112 section 6.3)', async (t) => {
  const framing = (...fields: string[]) => parseRequest(post(...fields)).framing;
  t.strictSame(framing(), { kind: 'none', length: 0 });
  t.strictSame(framing('Content-Length: 0'), { kind: 'none', length: 0 });
  t.strictSame(framing('Content-Length: 000'), { kind: 'none', length: 0 });
  t.strictSame(framing('content-length: 7'), { kind: 'length', length: 7 });
  t.strictSame(framing('CONTENT-LENGTH:\t7 '), { kind: 'length', length: 7 });
  t.strictSame(framing('Content-Length: 0007'), { kind: 'length', length: 7 });
  t.strictSame(framing('Content-Length: 9007199254740991'), { kind: 'length', length: 9007199254740991 });
  for (const chunked of ['chunked', 'Chunked', 'CHUNKED', ' \tchunked\t ']) {
    t.strictSame(framing(`Transfer-Encoding:${chunked}`), { kind: 'chunked', length: 0 }, chunked);
  }
  t.strictSame(framing('Content-Length-X: 7', 'X-Transfer-Encoding: chunked'), { kind: 'none', length: 0 });
});

requests('refuses a Content-Length that is not all digits (RFC 9110 section 8.6)', 400, [
  ...[
    '',
    '+5',
    '-5',
    '-0',
    '0x5',
    '5h',
    '5.0',
    '5e1',
    '5,',
    ',5',
    '5 5',
    '5\t5',
    '"5"',
    '\xd9\xa5',
    '\xb2',
    '5;',
    '5_0',
    'five',
    'NaN',
    'Infinity',
    '1\x0b',
    '\x0c1',
    '1\xa0',
    '9007199254740992',
    '18446744073709551616',
    '99999999999999999999',
    `${'0'.repeat(17)}1`,
  ].map((value) => [`Content-Length: ${value}`]),
]);

requests('refuses a Content-Length given twice, even as a list, even the same (RFC 9110 section 8.6)', 400, [
  ['Content-Length: 5, 5'],
  ['Content-Length: 5,5'],
  ['Content-Length: 5, 6'],
  ['Content-Length: 5', 'Content-Length: 5'],
  ['Content-Length: 5', 'Content-Length: 6'],
  ['Content-Length: 0', 'Content-Length: 0'],
  ['Content-Length: 5', 'X: y', 'content-length: 5'],
  ['Content-Length: 5', 'Content-Length:'],
]);

requests('refuses Content-Length together with Transfer-Encoding (RFC 9112 section 6.3)', 400, [
  ['Content-Length: 5', 'Transfer-Encoding: chunked'],
  ['Transfer-Encoding: chunked', 'Content-Length: 5'],
  ['Transfer-Encoding: chunked', 'Content-Length: 0'],
  ['Transfer-Encoding: identity', 'Content-Length: 5'],
  ['Transfer-Encoding:', 'Content-Length: 5'],
  ['Transfer-Encoding: chunked', 'Content-Length: 5', 'Content-Length: 5'],
]);

requests('refuses a Transfer-Encoding that only resembles "chunked" (RFC 9112 section 6.1)', 400, [
  ...[
    'xchunked',
    'chunkedx',
    'chunked-x',
    'x-chunked',
    '"chunked"',
    "'chunked'",
    'chunked;q=1',
    'chunked;',
    'chunked ; x',
    'chunked,',
    ',chunked',
    ', chunked',
    'chunked, ,',
    'chunked, chunked',
    'chunked,chunked',
    'chunked, identity',
    'identity, chunked',
    'chunked, gzip',
    'gzip, chunked',
    'gzip,chunked',
    'trailers, chunked',
    'chun ked',
    'chunked\tx',
    '\x0bchunked',
    'chunked\x0b',
    '\x0cchunked',
    'chunked\x00',
    'chunked\x7f',
    '\xa0chunked',
    'chunked\xa0',
    '[chunked]',
    'chunked=1',
    'chunked/1',
    'chunked:',
    '(x) chunked',
    '',
    ',',
    ' , ',
  ].map((value) => [`Transfer-Encoding: ${value}`]),
  ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'],
  ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
  ['Transfer-Encoding: identity', 'Transfer-Encoding: chunked'],
  ['Transfer-Encoding: chunked', 'transfer-encoding: x'],
  ['Transfer-Encoding: x', 'Transfer-Encoding: x'],
]);

t.test('answers a coding that it does not have with 501 (RFC 9112 section 6.1)', async (t) => {
  for (const coding of [
    'identity',
    'gzip',
    'compress',
    'deflate',
    'x-gzip',
    'br',
    'cow',
    'chunke',
    'hunked',
  ]) {
    t.equal(
      verdict(() => parseRequest(post(`Transfer-Encoding: ${coding}`))),
      501,
      coding,
    );
  }
});

t.test('refuses Transfer-Encoding on HTTP/1.0 (RFC 9112 section 6.1)', async (t) => {
  for (const coding of ['chunked', 'identity', '']) {
    const request = headOf('POST / HTTP/1.0', 'Host: a', `Transfer-Encoding: ${coding}`);
    t.equal(
      verdict(() => parseRequest(request)),
      400,
      coding,
    );
    const response = headOf('HTTP/1.0 200 OK', `Transfer-Encoding: ${coding}`);
    t.not(
      verdict(() => parseResponse(response)),
      'ok',
      coding,
    );
  }
});

t.test(
  'a response has the body that its status and its request let it have (RFC 9112 section 6.3)',
  async (t) => {
    const framing = (status: number, method: string, ...fields: string[]) =>
      parseResponse(reply(status, ...fields), method).framing;
    t.strictSame(framing(200, 'GET'), { kind: 'until-close', length: 0 });
    t.strictSame(framing(200, 'GET', 'Content-Length: 7'), { kind: 'length', length: 7 });
    t.strictSame(framing(200, 'GET', 'Content-Length: 0'), { kind: 'none', length: 0 });
    t.strictSame(framing(500, 'POST', 'Transfer-Encoding: chunked'), { kind: 'chunked', length: 0 });
    for (const fields of [[], ['Content-Length: 7'], ['Transfer-Encoding: chunked']]) {
      t.strictSame(framing(200, 'HEAD', ...fields), { kind: 'none', length: 0 }, `HEAD ${fields}`);
      t.strictSame(framing(204, 'GET', ...fields), { kind: 'none', length: 0 }, `204 ${fields}`);
      t.strictSame(framing(304, 'GET', ...fields), { kind: 'none', length: 0 }, `304 ${fields}`);
    }
    t.strictSame(
      framing(205, 'GET', 'Content-Length: 7'),
      { kind: 'length', length: 7 },
      '205 is no exception',
    );
  },
);

t.test('refuses an interim response that declares a body (RFC 9110 section 8.6)', async (t) => {
  for (const status of [100, 101, 102, 103, 199]) {
    const parse = (...fields: string[]) =>
      verdict(() => parseResponse(reply(status, 'Upgrade: x', ...fields)));
    t.equal(parse(), 'ok', String(status));
    t.equal(parse('Content-Length: 0'), 'ok');
    t.equal(parse('Content-Length: 5'), 400);
    t.equal(parse('Transfer-Encoding: chunked'), 400);
  }
});
