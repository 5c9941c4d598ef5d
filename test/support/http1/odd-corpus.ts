/**
 * Requests that are within the rules, at their edges: every server should read them alike. `HOST` stands for a host
 * that the sidecar serves.
 */
export interface Odd {
  readonly name: string;
  readonly bytes: string;
}

function request(line: string, fields: readonly string[] = [], body = ''): Odd {
  const head = [line, 'Host: HOST', ...fields].join('\r\n');
  return { name: [line, ...fields].join(' | ').slice(0, 100), bytes: `${head}\r\n\r\n${body}` };
}

const chunked = (body: string, ...fields: string[]) => ({
  ...request('POST /chunked HTTP/1.1', ['Transfer-Encoding: chunked', ...fields], body),
  name: `chunked ${JSON.stringify(body).slice(0, 90)}`,
});

const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'PROPFIND',
  'TRACE',
  'REPORT',
  'SEARCH',
];

const TARGETS = [
  '//',
  '//other.example/x',
  '/a//b',
  '/./a',
  '/../a',
  '/a/..',
  '/%2e%2e/a',
  '/%00',
  '/%0d%0aX:%20y',
  '/a%20b',
  '/a+b',
  '/?',
  '/?a=b&c',
  '/??',
  '/?a?b',
  '/a;b=c',
  '/a:b',
  '/a@b',
  '/a,b',
  '/a=b',
  '/a!b',
  "/a'b",
  '/a(b)',
  '/a*b',
  '/~a',
  '/a|b',
  '/a^b',
  '/a`b',
  '/a"b',
  '/a<b>',
  '/a\\b',
  '/{a}',
  '/[a]',
  '/http://other.example/',
  '/%',
  '/%zz',
  `/${'long/'.repeat(500)}`,
];

const FIELDS = [
  'X:',
  'X: ',
  'X:y',
  'X:\ty',
  'X: y\t ',
  'X: a\tb',
  'X: a, b,, c',
  'X: "quoted \\" string"',
  'X: (comment)',
  'X: \x80\xff',
  'X: a: b: c',
  'X: :',
  'x-UPPER-lower: y',
  "!#$%&'*+-.^_`|~1: y",
  'Content-Length-X: 5',
  'X-Content-Length: 5',
  'Content_Length: 5',
  'Transfer_Encoding: chunked',
  'X-Transfer-Encoding: chunked',
  'Transfer-Encodings: chunked',
  'TE: trailers, chunked',
  'Trailer: Content-Length',
  'Connection: close',
  'Connection: keep-alive, close',
  'Connection: keep-alive',
  'Connection: ,',
  'Connection: X',
  'Connection: upgrade',
  'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__',
  'Upgrade: websocket',
  'Keep-Alive: timeout=5, max=1',
  'Proxy-Connection: close',
  'Expect: 100-continue',
  'X-Forwarded-For: a, b',
  'X-Forwarded-Host: other',
  'Forwarded: host=other',
  'X-HTTP-Method-Override: DELETE',
  'X-Original-URL: /other',
  'Cookie: a=b; a=c',
  'Range: bytes=0-1',
  `X: ${'y'.repeat(4000)}`,
];

const LENGTHS = ['0', '00', '5', '05', '0000000005', '\t5', '5 ', ' 5\t'];

const CHUNKS = [
  '0\r\n\r\n',
  '00\r\n\r\n',
  '0000000\r\n\r\n',
  '5\r\nhello\r\n0\r\n\r\n',
  '05\r\nhello\r\n0\r\n\r\n',
  '0000005\r\nhello\r\n0\r\n\r\n',
  'a\r\n0123456789\r\n0\r\n\r\n',
  'A\r\n0123456789\r\n0\r\n\r\n',
  '1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n',
  '4\r\n\r\n\r\n\r\n0\r\n\r\n',
  '5\r\n0\r\n\r\n\r\n0\r\n\r\n',
  '5;\r\nhello\r\n0\r\n\r\n',
  '5;a\r\nhello\r\n0\r\n\r\n',
  '5;a=b\r\nhello\r\n0;c=d\r\n\r\n',
  '5;a="b;c"\r\nhello\r\n0\r\n\r\n',
  '5; a = b\r\nhello\r\n0\r\n\r\n',
  '5;a="0\\r\\n"\r\nhello\r\n0\r\n\r\n',
  '5\r\nhello\r\n0\r\nX: y\r\n\r\n',
  '5\r\nhello\r\n0\r\nX: y\r\nZ:\r\n\r\n',
  '5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n',
  '5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n',
  '5\r\nhello\r\n0\r\nHost: other\r\n\r\n',
  '2c\r\nGET /hidden HTTP/1.1\r\nHost: HOST\r\nX: hidden..\r\n\r\n0\r\n\r\n',
];

const pipelined = (...messages: Odd[]): Odd => ({
  name: `${messages.length} pipelined: ${messages.map(({ name }) => name).join(' + ')}`.slice(0, 100),
  bytes: messages.map(({ bytes }) => bytes).join(''),
});

const GET = request('GET /plain HTTP/1.1');
const POST = request('POST /body HTTP/1.1', ['Content-Length: 5'], 'hello');

export const ODD_REQUESTS: readonly Odd[] = [
  ...METHODS.map((method) => request(`${method} /method HTTP/1.1`)),
  ...METHODS.map((method) => request(`${method} /with-body HTTP/1.1`, ['Content-Length: 5'], 'hello')),
  ...TARGETS.map((target) => request(`GET ${target} HTTP/1.1`)),
  ...FIELDS.map((field) => request('GET /field HTTP/1.1', [field])),
  ...FIELDS.map((field) => request('POST /field HTTP/1.1', [field, 'Content-Length: 5'], 'hello')),
  ...LENGTHS.map((length) =>
    request('POST /length HTTP/1.1', [`Content-Length:${length}`], Number(length) ? 'hello' : ''),
  ),
  ...CHUNKS.map((body) => chunked(body)),
  ...['Chunked', 'CHUNKED', '\tchunked', 'chunked \t'].map((coding) =>
    request('POST /coding HTTP/1.1', [`Transfer-Encoding:${coding}`], '5\r\nhello\r\n0\r\n\r\n'),
  ),
  request('OPTIONS * HTTP/1.1'),
  {
    name: 'absolute, Host differs',
    bytes: 'GET http://HOST/absolute HTTP/1.1\r\nHost: other.example\r\n\r\n',
  },
  { name: 'absolute, Host empty', bytes: 'GET http://HOST/absolute HTTP/1.1\r\nHost:\r\n\r\n' },
  { name: 'absolute, no path', bytes: 'GET http://HOST HTTP/1.1\r\nHost: HOST\r\n\r\n' },
  { name: 'absolute, query only', bytes: 'GET http://HOST?a=b HTTP/1.1\r\nHost: HOST\r\n\r\n' },
  { name: 'absolute in capitals', bytes: 'GET HTTP://HOST/x HTTP/1.1\r\nHost: HOST\r\n\r\n' },
  { name: 'an empty line before', bytes: `\r\n${GET.bytes}` },
  { name: 'Host last', bytes: 'GET /host-last HTTP/1.1\r\nA: b\r\nHost: HOST\r\n\r\n' },
  { name: 'hOsT', bytes: 'GET /host HTTP/1.1\r\nhOsT:HOST\r\n\r\n' },
  { name: 'HTTP/1.0', bytes: 'GET /old HTTP/1.0\r\nHost: HOST\r\n\r\n' },
  { name: 'HTTP/1.0, kept', bytes: 'GET /old HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\n\r\n' },
  {
    name: 'HTTP/1.0 with a body',
    bytes: 'POST /old HTTP/1.0\r\nHost: HOST\r\nContent-Length: 5\r\n\r\nhello',
  },
  {
    name: 'HTTP/1.0 that expects',
    bytes: 'POST /old HTTP/1.0\r\nHost: HOST\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello',
  },
  pipelined(GET, GET),
  pipelined(GET, POST, GET),
  pipelined(POST, POST, POST),
  pipelined(chunked('5\r\nhello\r\n0\r\n\r\n'), GET),
  pipelined(chunked('0\r\nX: y\r\n\r\n'), POST, chunked('1;x\r\na\r\n0\r\n\r\n'), GET),
  pipelined(request('HEAD /head HTTP/1.1'), GET),
  pipelined(POST, { name: 'CRLF', bytes: '\r\n' }, GET),
  pipelined(request('GET /close HTTP/1.1', ['Connection: close']), GET),
  pipelined(request('GET /with-body HTTP/1.1', ['Content-Length: 5'], 'hello'), GET),
  pipelined(request('GET /zero HTTP/1.1', ['Content-Length: 0']), GET),
  { name: 'a body that looks like a request', ...bodyOf('GET /hidden HTTP/1.1\r\nHost: HOST\r\n\r\n') },
  { name: 'a body that is half a request', ...bodyOf('GET /hidden HTTP/1.1\r\nX: ') },
  { name: 'a body of line ends', ...bodyOf('\r\n\r\n\r\n') },
  { name: 'more than the length says', bytes: `${POST.bytes}\r\n${GET.bytes}` },
];

function bodyOf(body: string): { readonly bytes: string } {
  // The placeholder is replaced by a host of another length.
  return request(
    'POST /body HTTP/1.1',
    [`Content-Length: ${body.replaceAll('HOST', 'x').length}`],
    body.replaceAll('HOST', 'x'),
  );
}
