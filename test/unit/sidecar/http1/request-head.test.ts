import t from 'tap';
import { DEFAULT_LIMITS } from '../../../../sidecar/http/limits.js';
import { headerName } from '../../../../src/http/header-name.js';
import { headOf, parseRequest, shown, verdict } from '../../../support/http1/heads.js';

type Verdict = ReturnType<typeof verdict>;

/** Every head of a table gets the same verdict. */
function all(title: string, expected: Verdict, heads: readonly string[]): void {
  t.test(title, async (t) => {
    for (const head of heads)
      t.equal(
        verdict(() => parseRequest(head)),
        expected,
        shown(head),
      );
  });
}

const withLine = (line: string) => headOf(line, 'Host: a');
const withField = (field: string) => headOf('GET / HTTP/1.1', 'Host: a', field);
const withTarget = (method: string, target: string) => withLine(`${method} ${target} HTTP/1.1`);
const withHost = (host: string) => headOf('GET / HTTP/1.1', `Host: ${host}`);

const CONTROLS = [...Array.from({ length: 32 }, (_, code) => code), 0x7f];
const char = (code: number) => String.fromCharCode(code);
const NOT_IN_TOKENS = [...'()<>@,;:\\"/[]?={} \t', ...CONTROLS.map(char), '\x80', '\xe9', '\xff'];

all('takes a request line: method, one space, target, one space, version (RFC 9112 section 3)', 'ok', [
  withLine('GET / HTTP/1.1'),
  withLine('GET / HTTP/1.0'),
  withLine('POST /a/b?c=d&e HTTP/1.1'),
  withLine("!#$%&'*+-.^_`|~0aZ / HTTP/1.1"),
  withLine('get / HTTP/1.1'),
  withLine('M-SEARCH / HTTP/1.1'),
  withLine(`GET /${'a'.repeat(8000)} HTTP/1.1`),
  withLine('GET //double//slash HTTP/1.1'),
  withLine('GET /%00%0d%0a HTTP/1.1'),
  withLine('GET /?? HTTP/1.1'),
  withLine(`GET /"<>\\^\`{|} HTTP/1.1`),
]);

all('refuses any other spacing of the request line (RFC 9112 section 3)', 400, [
  withLine('GET  / HTTP/1.1'),
  withLine('GET /  HTTP/1.1'),
  withLine(' GET / HTTP/1.1'),
  withLine('GET / HTTP/1.1 '),
  withLine('GET\t/ HTTP/1.1'),
  withLine('GET /\tHTTP/1.1'),
  withLine('GET /\x0bHTTP/1.1'),
  withLine('GET /a b HTTP/1.1'),
  withLine('GET /HTTP/1.1'),
  withLine('GET HTTP/1.1'),
  withLine('GET / '),
  withLine('GET /'),
  withLine('GET'),
  withLine(''),
  withLine('\tGET / HTTP/1.1'),
  withLine(' / HTTP/1.1'),
]);

all(
  'refuses a method that is not a token (RFC 9110 section 9.1)',
  400,
  NOT_IN_TOKENS.filter((c) => c !== '\n').map((c) => withLine(`GE${c}T / HTTP/1.1`)),
);

all(
  'refuses a target with a character that no target has (RFC 9112 section 3.2)',
  400,
  [...CONTROLS.map(char), ' ', '#', '\x80', '\xe9', '\xff']
    .filter((c) => c !== '\n')
    .map((c) => withTarget('GET', `/a${c}b`)),
);

all('answers a version of HTTP that we do not speak with 505 (RFC 9110 section 15.6.6)', 505, [
  withLine('GET / HTTP/0.9'),
  withLine('GET / HTTP/1.2'),
  withLine('GET / HTTP/1.9'),
  withLine('GET / HTTP/2.0'),
  withLine('PRI * HTTP/2.0'),
  withLine('GET / HTTP/3.0'),
]);

all('refuses a malformed version (RFC 9112 section 2.3)', 400, [
  withLine('GET / http/1.1'),
  withLine('GET / HTTP/1'),
  withLine('GET / HTTP/1.'),
  withLine('GET / HTTP/1.10'),
  withLine('GET / HTTP/01.1'),
  withLine('GET / HTTP/1.01'),
  withLine('GET / HTTP/11'),
  withLine('GET / HTTP/1,1'),
  withLine('GET / HTTP/+1.1'),
  withLine('GET / HTTPS/1.1'),
  withLine('GET / HTTP 1.1'),
  withLine('GET / HTTP/1.x'),
  withLine('GET / XHTTP/1.1'),
  withLine('GET / HTTP/1.1\x00'),
  withLine('GET / HTTP/1.1\x0b'),
  withLine('GET / HTTP/1.1\r'),
]);

all('refuses a bare CR anywhere in a head (RFC 9112 section 2.2)', 400, [
  withLine('GET /\r HTTP/1.1'),
  withLine('G\rET / HTTP/1.1'),
  withLine('GET / HTTP/1.1\rX: y'),
  withField('X: a\rb'),
  withField('X: a\r'),
  withField('X: a\r\rY: b'),
  withField('X\r: a'),
  withField('\rX: a'),
  withField('X:\ra'),
  withField('X: \r a'),
]);

all('refuses a bare LF anywhere in a head (RFC 9112 section 2.2)', 400, [
  withLine('GET / HTTP/1.1\nX: y'),
  withLine('GET /\n HTTP/1.1'),
  withField('X: a\nY: b'),
  withField('X: a\n'),
  withField('X: a\n\n'),
  withField('\nX: a'),
  withField('X\n: a'),
  withField('X:\na'),
  '\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET / HTTP/1.1\nHost: a\n\n\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\n\r\n\r\n',
]);

all('refuses white space between a field name and its colon (RFC 9112 section 5.1)', 400, [
  withField('X : a'),
  withField('X\t: a'),
  withField('X  : a'),
  withField('Content-Length : 0'),
  withField('Transfer-Encoding : chunked'),
  withField('Transfer-Encoding\x0b: chunked'),
  headOf('GET / HTTP/1.1', 'Host : a'),
]);

all('refuses line folding (RFC 9112 section 5.2)', 400, [
  withField('X: a\r\n b'),
  withField('X: a\r\n\tb'),
  withField('X:\r\n a'),
  withField('X: a\r\n  \r\nY: b'),
  withField('Transfer-Encoding:\r\n chunked'),
  withField('Content-Length: 1\r\n 0'),
  headOf('GET / HTTP/1.1', ' Host: a'),
  headOf('GET / HTTP/1.1', '\tX: y', 'Host: a'),
]);

all(
  'refuses a field name that is not a token (RFC 9110 section 5.1)',
  400,
  NOT_IN_TOKENS.filter((c) => c !== ':' && c !== '\n').map((c) => withField(`X${c}Y: a`)),
);

all('refuses a field without a name, or without a colon (RFC 9112 section 5)', 400, [
  withField(': a'),
  withField(':'),
  withField('X'),
  withField('X a'),
  withField('just words'),
  withField('HTTP/1.1 200 OK'),
]);

all(
  'refuses control characters in a field value (RFC 9110 section 5.5)',
  400,
  CONTROLS.filter((code) => code !== 0x09 && code !== 0x0a).map((code) => withField(`X: a${char(code)}b`)),
);

all(
  'takes any visible character, space, tab and bytes above 127 in a field value (RFC 9110 section 5.5)',
  'ok',
  [
    ...Array.from({ length: 95 }, (_, i) => withField(`X: ${char(0x20 + i)}`)),
    ...Array.from({ length: 128 }, (_, i) => withField(`X: ${char(0x80 + i)}`)),
    withField('X:'),
    withField('X: '),
    withField('X:\t \t'),
    withField('X:a'),
    withField('X: a\tb'),
    withField('X: a  b'),
    withField('X:: a'),
  ],
);

t.test('trims white space around a value and nothing within it (RFC 9112 section 5.1)', async (t) => {
  const value = (field: string) => parseRequest(withField(field)).header(headerName('x'));
  t.equal(value('X: a'), 'a');
  t.equal(value('X:a'), 'a');
  t.equal(value('X: \t a \t b \t '), 'a \t b');
  t.equal(value('X:'), '');
  t.equal(value('X:  \t'), '');
  t.equal(value('X: \xa0a\xa0'), '\xa0a\xa0', 'a byte above 127 is not white space');
});

t.test(
  'passes over one empty line before the request line, and no more (RFC 9112 section 2.2)',
  async (t) => {
    const head = withField('X: a');
    t.equal(
      verdict(() => parseRequest(`\r\n${head}`)),
      'ok',
    );
    t.equal(
      verdict(() => parseRequest(`\r\n\r\n${head}`)),
      400,
    );
    t.equal(
      verdict(() => parseRequest(`\r\n \r\n${head}`)),
      400,
    );
    t.equal(
      verdict(() => parseRequest(`\n${head}`)),
      400,
    );
    t.equal(
      verdict(() => parseRequest(`\r${head}`)),
      400,
    );
  },
);

all('refuses a Host that is missing, given twice, or no host (RFC 9112 section 3.2)', 400, [
  headOf('GET / HTTP/1.1'),
  headOf('GET / HTTP/1.1', 'X-Host: a'),
  headOf('GET / HTTP/1.1', 'Host: a', 'Host: a'),
  headOf('GET / HTTP/1.1', 'Host: a', 'host: b'),
  headOf('GET / HTTP/1.1', 'Host: a', 'X: y', 'HOST: a'),
  headOf('GET / HTTP/1.0', 'Host: a', 'Host: b'),
  headOf('GET http://a/ HTTP/1.1'),
  headOf('GET http://a/ HTTP/1.1', 'Host: a', 'Host: a'),
  ...[
    'a b',
    'a, b',
    'a/b',
    'a?b',
    'a#b',
    'a@b',
    'user:secret@a',
    'http://a',
    '"a"',
    '<a>',
    'a\\b',
    'a:b',
    'a:80:80',
    'a:-1',
    'a:+80',
    'a:8 0',
    'a:123456',
    'a:65536',
    'a:0',
    ':80',
    '.',
    'a..b',
    'a%2e',
    '[fe80::1%25eth0]',
    '[::1',
    '::1',
    '[::1]x',
    '[::1]:x',
    '[g::1]',
    '[]',
    'a\xe9',
    'a\tb',
    '{a}',
    'a|b',
    'a^b',
    'a`b',
  ].map(withHost),
]);

t.test('takes the authority from Host, in its one spelling (RFC 9110 sections 4.2.3 and 7.2)', async (t) => {
  for (const [host, authority] of [
    ['a', 'a'],
    ['A.Example', 'a.example'],
    ['a.example.', 'a.example'],
    ['a.example.:8080', 'a.example:8080'],
    ['a:80', 'a:80'],
    ['a:', 'a'],
    ['10.0.0.1:8080', '10.0.0.1:8080'],
    ['[::1]', '[::1]'],
    ['[FD00:0::1]:8080', '[fd00::1]:8080'],
    ['[::ffff:10.0.0.1]:1', '10.0.0.1:1'],
    ['under_score.example', 'under_score.example'],
    ['x-y.example:65535', 'x-y.example:65535'],
    ['', ''],
  ] as const) {
    const request = parseRequest(withHost(host));
    t.strictSame([request.authority, request.targetAuthority], [authority, ''], host);
    t.equal(request.header(headerName('host')), host, 'conditions see it as it was written');
  }
  t.equal(parseRequest(headOf('GET / HTTP/1.0')).authority, '', 'HTTP/1.0 may do without');
});

t.test('lets the authority of an absolute target win over Host (RFC 9112 section 3.2.2)', async (t) => {
  const cases: readonly (readonly [line: string, authority: string, target: string])[] = [
    ['GET http://b/ HTTP/1.1', 'b', '/'],
    ['GET http://b HTTP/1.1', 'b', '/'],
    ['GET HTTP://b/x HTTP/1.1', 'b', '/x'],
    ['GET http://b:8080/x?y=z HTTP/1.1', 'b:8080', '/x?y=z'],
    ['GET http://b?y HTTP/1.1', 'b', '/?y'],
    ['GET http://[::1]:80/ HTTP/1.1', '[::1]:80', '/'],
    ['GET http://b//c HTTP/1.1', 'b', '//c'],
    ['GET http://b/http://c/ HTTP/1.1', 'b', '/http://c/'],
    ['OPTIONS http://b HTTP/1.1', 'b', '*'],
    ['OPTIONS http://b/ HTTP/1.1', 'b', '/'],
    ['OPTIONS http://b?x HTTP/1.1', 'b', '/?x'],
    ['GET http://b/ HTTP/1.0', 'b', '/'],
    ['GET http://B.:/x HTTP/1.1', 'b', '/x'],
    ['GET http://[FD00:0::1]:80/ HTTP/1.1', '[fd00::1]:80', '/'],
  ];
  for (const [line, authority, target] of cases) {
    const request = parseRequest(headOf(line, 'Host: a'));
    t.strictSame([request.authority, request.target, request.absoluteForm], [authority, target, true], line);
    const written = /\/\/([^/? ]*)/.exec(line)?.[1];
    t.equal(request.targetAuthority, written);
    t.strictSame(request.headerValues(headerName('host')), [written], 'it is the Host of conditions, too');
  }
  const origin = parseRequest(withTarget('GET', '/'));
  t.strictSame([origin.authority, origin.absoluteForm], ['a', false]);
});

all('refuses a target of a form that its method does not have (RFC 9112 section 3.2)', 400, [
  withTarget('GET', '*'),
  withTarget('POST', '*'),
  withTarget('options', '*'),
  withTarget('OPTIONS', '**'),
  withTarget('OPTIONS', '*?x'),
  withTarget('GET', 'a'),
  withTarget('GET', 'a/b'),
  withTarget('GET', '?a'),
  withTarget('GET', 'a:80'),
  withTarget('GET', 'https://a/'),
  withTarget('GET', 'ftp://a/'),
  withTarget('GET', 'http:/a'),
  withTarget('GET', 'http:a'),
  withTarget('GET', 'http://'),
  withTarget('GET', 'http:///x'),
  withTarget('GET', 'http://?x'),
  withTarget('GET', 'http://:80/'),
  withTarget('GET', 'http://:/'),
  withTarget('GET', 'http://user@a/'),
  withTarget('GET', 'http://user:secret@a/'),
  withTarget('GET', 'http://a\\b/'),
  withTarget('GET', 'http://a:b/'),
  withTarget('GET', '\\x'),
  withTarget('GET', '.'),
  withTarget('CONNECT', '/'),
  withTarget('CONNECT', '*'),
  withTarget('CONNECT', 'a'),
  withTarget('CONNECT', 'a:'),
  withTarget('CONNECT', ':80'),
  withTarget('CONNECT', 'a:port'),
  withTarget('CONNECT', 'a:123456'),
  withTarget('CONNECT', 'http://a:80/'),
  withTarget('CONNECT', 'user@a:80'),
  withTarget('CONNECT', '[::1]'),
  withTarget('CONNECT', '::1:80'),
]);

t.test('takes a target in the form that its method has (RFC 9112 section 3.2)', async (t) => {
  const seen = (method: string, target: string) => {
    const { path, query, authority } = parseRequest(withTarget(method, target));
    return [authority, path, query];
  };
  t.strictSame(seen('OPTIONS', '*'), ['a', '*', '']);
  t.strictSame(seen('GET', '/x?y?z'), ['a', '/x', 'y?z']);
  t.strictSame(seen('GET', '/x?'), ['a', '/x', '']);
  t.strictSame(seen('CONNECT', 'b:443'), ['b:443', '', '']);
  t.strictSame(seen('CONNECT', '[::1]:443'), ['[::1]:443', '', '']);
  t.strictSame(seen('CONNECT', 'B.:443'), ['b:443', '', '']);
});

all('refuses a CONNECT with a body (RFC 9110 section 9.3.6)', 400, [
  headOf('CONNECT a:1 HTTP/1.1', 'Host: a:1', 'Content-Length: 1'),
  headOf('CONNECT a:1 HTTP/1.1', 'Host: a:1', 'Transfer-Encoding: chunked'),
]);

t.test('bounds the head: too many bytes or fields are 431 (RFC 6585 section 5)', async (t) => {
  const limits = { ...DEFAULT_LIMITS, maxHeadBytes: 200, maxFields: 3 };
  const fields = (count: number) => headOf('GET / HTTP/1.1', 'Host: a', ...Array(count - 1).fill('X: y'));
  const bytes = (count: number) => {
    const empty = withField('X: ');
    return withField(`X: ${'a'.repeat(count - empty.length)}`);
  };
  t.equal(
    verdict(() => parseRequest(fields(3), limits)),
    'ok',
  );
  t.equal(
    verdict(() => parseRequest(fields(4), limits)),
    431,
  );
  t.equal(bytes(200).length, 200);
  t.equal(
    verdict(() => parseRequest(bytes(200), limits)),
    'ok',
  );
  t.equal(
    verdict(() => parseRequest(bytes(201), limits)),
    431,
  );
  t.equal(
    verdict(() => parseRequest(headOf(`GET /${'a'.repeat(300)} HTTP/1.1`), limits)),
    431,
  );
});

t.test('knows whether the client keeps the connection (RFC 9112 section 9.3)', async (t) => {
  const keeps = (version: string, ...fields: string[]) =>
    parseRequest(headOf(`GET / ${version}`, 'Host: a', ...fields)).keepAlive;
  t.equal(keeps('HTTP/1.1'), true);
  t.equal(keeps('HTTP/1.1', 'Connection: close'), false);
  t.equal(keeps('HTTP/1.1', 'Connection: Close'), false);
  t.equal(keeps('HTTP/1.1', 'Connection: keep-alive, close'), false);
  t.equal(keeps('HTTP/1.1', 'Connection: keep-alive', 'Connection: close'), false);
  t.equal(keeps('HTTP/1.1', 'Connection: closed'), true);
  t.equal(keeps('HTTP/1.0'), false);
  t.equal(keeps('HTTP/1.0', 'Connection: Keep-Alive'), true);
  t.equal(keeps('HTTP/1.0', 'Connection: keep-alive, close'), false);
  t.equal(keeps('HTTP/1.0', 'Proxy-Connection: keep-alive'), false);
});

t.test(
  'sees an upgrade only where Connection names it, and never on HTTP/1.0 (RFC 9110 section 7.8)',
  async (t) => {
    const upgrade = (version: string, ...fields: string[]) =>
      parseRequest(headOf(`GET / ${version}`, 'Host: a', ...fields)).upgradeOffer;
    t.equal(upgrade('HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket'), 'websocket');
    t.equal(upgrade('HTTP/1.1', 'Connection: keep-alive, UPGRADE', 'Upgrade: websocket'), 'websocket');
    t.equal(upgrade('HTTP/1.1', 'Upgrade: websocket'), undefined);
    t.equal(upgrade('HTTP/1.1', 'Connection: Upgrade'), undefined);
    t.equal(upgrade('HTTP/1.0', 'Connection: Upgrade', 'Upgrade: websocket'), undefined);
  },
);

t.test('one object parses request after request, and nothing of the last one stays', async (t) => {
  const request = parseRequest(headOf('POST http://b/p?q HTTP/1.0', 'Host: a', 'Content-Length: 3', 'X: 1'));
  request.givenId = 'one';
  request.parse(headOf('GET /z HTTP/1.1', 'Host: c'));
  t.match(request, {
    method: 'GET',
    target: '/z',
    path: '/z',
    query: '',
    authority: 'c',
    minorVersion: 1,
    absoluteForm: false,
    givenId: '',
    framing: { kind: 'none' },
  });
  t.equal(request.header(headerName('x')), undefined);
  t.equal(request.headers.count, 1);
});
