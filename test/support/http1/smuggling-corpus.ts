/**
 * Requests that two parsers could read differently, and with which one request is hidden in another. All are
 * refused. `HOST` stands for a host that the sidecar serves.
 */

export interface Smuggled {
  readonly name: string;
  readonly bytes: string;
  /** What the client gets; 400 unless said. */
  readonly status?: 400 | 431 | 501 | 505;
}

const HIDDEN = 'GET /hidden HTTP/1.1\r\nHost: HOST\r\n\r\n';

function post(name: string, fields: readonly string[], body: string, status?: Smuggled['status']): Smuggled {
  const head = ['POST / HTTP/1.1', 'Host: HOST', ...fields].join('\r\n');
  return { name, bytes: `${head}\r\n\r\n${body}`, ...(status ? { status } : {}) };
}

const CHUNKED_HIDING = `0\r\n\r\n${HIDDEN}`;
const LENGTH = `Content-Length: ${CHUNKED_HIDING.length}`;

/** Codings that some parser takes for `chunked`. */
const OBFUSCATED = [
  'xchunked',
  'chunkedx',
  'chunked, identity',
  'identity, chunked',
  'chunked,',
  ',chunked',
  'chunked, chunked',
  '"chunked"',
  "'chunked'",
  'chunked;q=1',
  'chunked\x0b',
  '\x0bchunked',
  'chunked\x0c',
  'chunked\x00',
  'chunked\x7f',
  'chunked\xa0',
  'chunked ,x',
  'x, chunked',
  '[chunked]',
  'chunked\r\n identity',
  '\r\n chunked',
  '\n chunked',
  'chunked\rX',
  '\rchunked',
];

/** Field names that some parser takes for `Transfer-Encoding`. */
const OBFUSCATED_NAMES = [
  'Transfer-Encoding : chunked',
  'Transfer-Encoding\t: chunked',
  ' Transfer-Encoding: chunked',
  '\tTransfer-Encoding: chunked',
  'X: y\nTransfer-Encoding: chunked',
  'X: y\rTransfer-Encoding: chunked',
  'Transfer-Encoding\x00: chunked',
  'Transfer-Encoding\x0b: chunked',
  'Transfer Encoding: chunked',
  'Transfer-Encoding\r\n : chunked',
  'Transfer-Encoding\xa0: chunked',
  '"Transfer-Encoding": chunked',
];

export const REFUSED_HEADS: readonly Smuggled[] = [
  // CL.TE and TE.CL: both at once, in either order.
  post('CL.TE', [LENGTH, 'Transfer-Encoding: chunked'], CHUNKED_HIDING),
  post(
    'TE.CL',
    ['Transfer-Encoding: chunked', 'Content-Length: 4'],
    `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`,
  ),
  post('CL.TE, length 0', ['Content-Length: 0', 'Transfer-Encoding: chunked'], CHUNKED_HIDING),
  post('CL.TE, coding in capitals', [LENGTH, 'TRANSFER-ENCODING: CHUNKED'], CHUNKED_HIDING),
  post('CL.TE, coding unknown', [LENGTH, 'Transfer-Encoding: gzip'], CHUNKED_HIDING),
  post('CL.TE, coding empty', [LENGTH, 'Transfer-Encoding:'], CHUNKED_HIDING),
  // TE.TE: one of two codings hidden from somebody.
  ...OBFUSCATED.map((coding) =>
    post(`TE.CL ${JSON.stringify(coding)}`, [`Transfer-Encoding: ${coding}`, LENGTH], CHUNKED_HIDING),
  ),
  ...OBFUSCATED.map((coding) =>
    post(`TE ${JSON.stringify(coding)}`, [`Transfer-Encoding: ${coding}`], CHUNKED_HIDING),
  ),
  ...OBFUSCATED.map((coding) =>
    post(
      `TE.TE ${JSON.stringify(coding)}`,
      ['Transfer-Encoding: chunked', `Transfer-encoding: ${coding}`],
      CHUNKED_HIDING,
    ),
  ),
  ...OBFUSCATED_NAMES.map((field) => post(`name ${JSON.stringify(field)}`, [field], CHUNKED_HIDING)),
  ...OBFUSCATED_NAMES.map((field) =>
    post(`CL and name ${JSON.stringify(field)}`, [LENGTH, field], CHUNKED_HIDING),
  ),
  post('TE identity', ['Transfer-Encoding: identity'], CHUNKED_HIDING, 501),
  post('TE unknown', ['Transfer-Encoding: cow'], CHUNKED_HIDING, 501),
  // CL.CL
  post('CL.CL', ['Content-Length: 0', LENGTH], CHUNKED_HIDING),
  post('CL.CL, the same', [LENGTH, LENGTH], CHUNKED_HIDING),
  post('CL list', ['Content-Length: 0, 5'], 'hello'),
  post('CL list, the same', ['Content-Length: 5, 5'], 'hello'),
  ...[
    '+5',
    '-5',
    '0x5',
    '5 5',
    '5;',
    '5.0',
    '5e0',
    ' 5\x0b',
    '"5"',
    '05 ,',
    '',
    '99999999999999999999',
    '18446744073709551621',
  ].map((value) => post(`CL ${JSON.stringify(value)}`, [`Content-Length: ${value}`], 'hello')),
  post('CL, space before the colon', ['Content-Length : 5'], 'hello'),
  post('CL folded', ['Content-Length:\r\n 5'], 'hello'),
  post('CL behind a bare LF', ['X: y\nContent-Length: 5'], 'hello'),
  post('CL behind a bare CR', ['X: y\rContent-Length: 5'], 'hello'),
  // Fields that a hop could be talked into dropping.
  post('Connection names Content-Length', ['Connection: content-length', 'Content-Length: 5'], 'hello'),
  post(
    'Connection names Transfer-Encoding',
    ['Connection: close, Transfer-Encoding', 'Transfer-Encoding: chunked'],
    CHUNKED_HIDING,
  ),
  post('Connection names Host', ['Connection: host'], ''),
  // Line ends.
  { name: 'LF only', bytes: 'GET / HTTP/1.1\nHost: HOST\n\n' },
  { name: 'LF for one line', bytes: 'GET / HTTP/1.1\r\nHost: HOST\nX: y\r\n\r\n' },
  { name: 'CR only', bytes: 'GET / HTTP/1.1\rHost: HOST\r\r\n\r\n' },
  { name: 'an end that is LF LF', bytes: `GET / HTTP/1.1\r\nHost: HOST\n\n${HIDDEN}` },
  { name: 'a folded Host', bytes: 'GET / HTTP/1.1\r\nHost:\r\n HOST\r\n\r\n' },
  { name: 'NUL in a value', bytes: 'GET / HTTP/1.1\r\nHost: HOST\r\nX: a\0b\r\n\r\n' },
  { name: 'a line that is no field', bytes: `GET / HTTP/1.1\r\nHost: HOST\r\n${HIDDEN}` },
  // Whom a request is for.
  { name: 'two Hosts', bytes: 'GET / HTTP/1.1\r\nHost: HOST\r\nHost: other\r\n\r\n' },
  { name: 'two Hosts, the same', bytes: 'GET / HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n' },
  { name: 'no Host', bytes: 'GET / HTTP/1.1\r\n\r\n' },
  { name: 'a Host with a path', bytes: 'GET / HTTP/1.1\r\nHost: HOST/x\r\n\r\n' },
  { name: 'a Host with a user', bytes: 'GET / HTTP/1.1\r\nHost: other@HOST\r\n\r\n' },
  { name: 'a Host with a space', bytes: 'GET / HTTP/1.1\r\nHost: HOST other\r\n\r\n' },
  { name: 'a Host list', bytes: 'GET / HTTP/1.1\r\nHost: HOST, other\r\n\r\n' },
  { name: 'a space before Host’s colon', bytes: 'GET / HTTP/1.1\r\nHost : HOST\r\n\r\n' },
  // Request lines.
  { name: 'a space in the target', bytes: 'GET /a HTTP/1.1 HTTP/1.1\r\nHost: HOST\r\n\r\n' },
  { name: 'two spaces', bytes: 'GET  / HTTP/1.1\r\nHost: HOST\r\n\r\n' },
  { name: 'a tab', bytes: 'GET\t/ HTTP/1.1\r\nHost: HOST\r\n\r\n' },
  { name: 'a fragment', bytes: 'GET /#x HTTP/1.1\r\nHost: HOST\r\n\r\n' },
  { name: 'no version', bytes: 'GET /\r\nHost: HOST\r\n\r\n' },
  { name: 'version 0.9', bytes: 'GET / HTTP/0.9\r\nHost: HOST\r\n\r\n', status: 505 },
  { name: 'version 1.2', bytes: 'GET / HTTP/1.2\r\nHost: HOST\r\n\r\n', status: 505 },
  { name: 'version 2.0', bytes: 'GET / HTTP/2.0\r\nHost: HOST\r\n\r\n', status: 505 },
  { name: 'two empty lines before', bytes: '\r\n\r\nGET / HTTP/1.1\r\nHost: HOST\r\n\r\n' },
  {
    name: 'chunks on HTTP/1.0',
    bytes: `POST / HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED_HIDING}`,
  },
  // Bounds.
  {
    name: 'too many fields',
    bytes: `GET / HTTP/1.1\r\nHost: HOST\r\n${'X: y\r\n'.repeat(100)}\r\n`,
    status: 431,
  },
  {
    name: 'a head too large',
    bytes: `GET / HTTP/1.1\r\nHost: HOST\r\nX: ${'y'.repeat(70_000)}\r\n\r\n`,
    status: 431,
  },
];

const BROKEN_BODIES: readonly (readonly [name: string, body: string, status?: 431])[] = [
  ['a size with 0x', '0x5\r\nhello\r\n0\r\n\r\n'],
  ['a negative size', '-5\r\nhello\r\n0\r\n\r\n'],
  ['a size with a sign', '+5\r\nhello\r\n0\r\n\r\n'],
  ['a size with a space before', ' 5\r\nhello\r\n0\r\n\r\n'],
  ['a size with a space behind', '5 \r\nhello\r\n0\r\n\r\n'],
  ['a size that overflows 64 bits', '10000000000000005\r\nhello\r\n0\r\n\r\n'],
  ['a size that overflows 53 bits', '20000000000005\r\nhello\r\n0\r\n\r\n'],
  ['no size', '\r\nhello\r\n0\r\n\r\n'],
  ['a size ended by LF', '5\nhello\r\n0\r\n\r\n'],
  ['a chunk ended by LF', '5\r\nhello\n0\r\n\r\n'],
  ['a chunk without an end', '5\r\nhello0\r\n\r\n'],
  ['a chunk longer than its size', `5\r\nhelloXX\r\n0\r\n\r\n`],
  ['an extension ended by LF', `5;a\nhello\r\n0\r\n\r\n${HIDDEN}`],
  ['an extension with CR', `5;a\rb\r\nhello\r\n0\r\n\r\n`],
  ['an extension with NUL', '5;\0\r\nhello\r\n0\r\n\r\n'],
  ['extensions without end', `5;${'a'.repeat(10_000)}`],
  ['a last chunk ended by LF', `0\n\n${HIDDEN}`],
  ['a trailer that is a request', `0\r\n${HIDDEN}`],
  ['a trailer ended by LF', `0\r\nA: b\n\n${HIDDEN}`],
  ['a folded trailer', '0\r\nA: b\r\n c\r\n\r\n'],
  ['a trailer with a space before its colon', '0\r\nA : b\r\n\r\n'],
  ['trailers without end', `0\r\nA: ${'b'.repeat(20_000)}`, 431],
];

/** Chunked bodies that turn out malformed when part of the request may be on its way already. */
export const BROKEN_CHUNKS: readonly Smuggled[] = BROKEN_BODIES.map(([name, body, status]) =>
  post(name, ['Transfer-Encoding: chunked'], body, status),
);
