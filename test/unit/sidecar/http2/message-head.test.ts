import t from 'tap';
import { HeaderField } from '../../../../sidecar/http2/header-field.js';
import { readRequest, readResponse, trailersProblem } from '../../../../sidecar/http2/message-head.js';
import type { List } from '../../../support/http2/frames.js';

const fieldsOf = (list: List) => list.map(([name, value]) => new HeaderField(name, value));
const PSEUDO: List = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'a.test'],
  [':path', '/'],
];
const without = (...names: readonly string[]) => PSEUDO.filter(([name]) => !names.includes(name));
const instead = (name: string, value: string): List =>
  PSEUDO.map((pair) => (pair[0] === name ? [name, value] : pair));

const GOOD: readonly (readonly [what: string, list: List, expected: object])[] = [
  ['a plain request', PSEUDO, { method: 'GET', authority: 'a.test', path: '/', contentLength: -1 }],
  ['any order of pseudo-header fields', [...PSEUDO].reverse(), { method: 'GET' }],
  ['an authority in another spelling', instead(':authority', 'A.Test.:080'), { authority: 'a.test:80' }],
  ['a host instead of an authority', [...without(':authority'), ['host', 'b.test']], { authority: 'b.test' }],
  ['a host that says the same', [...PSEUDO, ['host', 'A.test']], { authority: 'a.test' }],
  [
    'OPTIONS *',
    [
      [':method', 'OPTIONS'],
      [':scheme', 'http'],
      [':authority', 'a'],
      [':path', '*'],
    ],
    { path: '*' },
  ],
  [
    'CONNECT',
    [
      [':method', 'CONNECT'],
      [':authority', 'a.test:443'],
    ],
    { path: '', scheme: '' },
  ],
  [
    'extended CONNECT',
    [...instead(':method', 'CONNECT'), [':protocol', 'websocket']],
    { protocol: 'websocket' },
  ],
  ['a content-length', [...PSEUDO, ['content-length', '12']], { contentLength: 12 }],
  [
    'the same content-length twice',
    [...PSEUDO, ['content-length', '1'], ['content-length', '1']],
    { contentLength: 1 },
  ],
  ['te: trailers', [...PSEUDO, ['te', 'trailers']], { pseudoCount: 4 }],
  ['several cookies', [...PSEUDO, ['cookie', 'a=1'], ['cookie', 'b=2']], { pseudoCount: 4 }],
  ['bytes beyond ASCII in a value', [...PSEUDO, ['x', 'gr\xfc\xdfe']], { pseudoCount: 4 }],
];

for (const [what, list, expected] of GOOD) {
  t.test(`takes ${what}`, async (t) => {
    t.match(readRequest(fieldsOf(list)), expected);
  });
}

const BAD: readonly (readonly [what: string, list: List])[] = [
  ['no method', without(':method')],
  ['no scheme', without(':scheme')],
  ['no path', without(':path')],
  ['no authority', without(':authority')],
  ['an empty authority', instead(':authority', '')],
  ['an authority with a user', instead(':authority', 'user@a.test')],
  ['an authority with a path', instead(':authority', 'a.test/x')],
  ['an empty path', instead(':path', '')],
  ['a path without its slash', instead(':path', 'x')],
  ['a path in absolute form', instead(':path', 'http://a/')],
  ['a path with a space', instead(':path', '/a b')],
  ['a path with a line feed', instead(':path', '/a\nb')],
  ['a path with a fragment', instead(':path', '/a#b')],
  ['a path with bytes beyond ASCII', instead(':path', '/\xe4')],
  ['* of another method', instead(':path', '*')],
  ['a method with a space', instead(':method', 'GET /x')],
  ['an empty method', instead(':method', '')],
  ['a scheme with a slash', instead(':scheme', 'http://')],
  ['a pseudo-header field twice', [...PSEUDO, [':path', '/x']]],
  ['a pseudo-header field behind another field', [...without(':path'), ['x', 'y'], [':path', '/']]],
  ['an unknown pseudo-header field', [...PSEUDO, [':x', 'y']]],
  ['a status in a request', [...PSEUDO, [':status', '200']]],
  ['an upper-case name', [...PSEUDO, ['X-User', '1']]],
  ['an upper-case pseudo-header field', [...without(':path'), [':Path', '/']]],
  ['an empty name', [...PSEUDO, ['', 'x']]],
  ['a colon in a name', [...PSEUDO, ['x:y', 'z']]],
  ['a space in a name', [...PSEUDO, ['x y', 'z']]],
  ['a line end in a name', [...PSEUDO, ['x\r\ny', 'z']]],
  ['bytes beyond ASCII in a name', [...PSEUDO, ['x\xfc', 'z']]],
  ['CR in a value', [...PSEUDO, ['x', 'a\rb']]],
  ['LF in a value', [...PSEUDO, ['x', 'a\nb: c']]],
  ['NUL in a value', [...PSEUDO, ['x', 'a\0b']]],
  ['DEL in a value', [...PSEUDO, ['x', 'a\x7f']]],
  ['a blank before a value', [...PSEUDO, ['x', ' a']]],
  ['a blank behind a value', [...PSEUDO, ['x', 'a\t']]],
  ['connection', [...PSEUDO, ['connection', 'close']]],
  ['keep-alive', [...PSEUDO, ['keep-alive', 'x']]],
  ['proxy-connection', [...PSEUDO, ['proxy-connection', 'x']]],
  ['transfer-encoding', [...PSEUDO, ['transfer-encoding', 'chunked']]],
  ['upgrade', [...PSEUDO, ['upgrade', 'h2c']]],
  ['te other than trailers', [...PSEUDO, ['te', 'trailers, gzip']]],
  ['a host that says another thing', [...PSEUDO, ['host', 'b.test']]],
  ['two hosts', [...PSEUDO, ['host', 'a.test'], ['host', 'a.test']]],
  ['two lengths', [...PSEUDO, ['content-length', '1'], ['content-length', '2']]],
  ['a length with a sign', [...PSEUDO, ['content-length', '+1']]],
  ['a length with a list', [...PSEUDO, ['content-length', '1, 1']]],
  ['an empty length', [...PSEUDO, ['content-length', '']]],
  [
    'CONNECT with a path',
    [
      [':method', 'CONNECT'],
      [':authority', 'a:1'],
      [':path', '/'],
    ],
  ],
  [
    'CONNECT with a scheme',
    [
      [':method', 'CONNECT'],
      [':authority', 'a:1'],
      [':scheme', 'http'],
    ],
  ],
  [
    'CONNECT without a port',
    [
      [':method', 'CONNECT'],
      [':authority', 'a'],
    ],
  ],
  [
    'CONNECT without an authority',
    [
      [':method', 'CONNECT'],
      ['host', 'a:1'],
    ],
  ],
  [':protocol of another method', [...PSEUDO, [':protocol', 'websocket']]],
  [
    'extended CONNECT without a path',
    [
      [':method', 'CONNECT'],
      [':protocol', 'x'],
      [':authority', 'a'],
      [':scheme', 'http'],
    ],
  ],
];

for (const [what, list] of BAD) {
  t.test(`refuses ${what}`, async (t) => {
    t.type(readRequest(fieldsOf(list)), 'string');
  });
}

t.test('reads the head of a response', async (t) => {
  t.match(
    readResponse(
      fieldsOf([
        [':status', '204'],
        ['content-length', '0'],
      ]),
    ),
    { status: 204, contentLength: 0 },
  );
  for (const list of [
    [],
    [['x', 'y']],
    [[':status', '20']],
    [[':status', '2000']],
    [[':status', '+20']],
    [[':status', '099']],
    [[':status', '101']],
    [
      [':status', '200'],
      [':status', '200'],
    ],
    [
      [':status', '200'],
      [':path', '/'],
    ],
    [
      ['x', 'y'],
      [':status', '200'],
    ],
    [
      [':status', '200'],
      ['connection', 'close'],
    ],
    [
      [':status', '200'],
      ['content-length', 'x'],
    ],
  ] as readonly List[])
    t.type(readResponse(fieldsOf(list)), 'string', JSON.stringify(list));
});

t.test('checks trailers', async (t) => {
  t.equal(
    trailersProblem(
      fieldsOf([
        ['grpc-status', '0'],
        ['x', 'y'],
      ]),
    ),
    undefined,
  );
  for (const list of [
    [[':status', '200']],
    [['X', 'y']],
    [['x', 'a\nb']],
    [['transfer-encoding', 'x']],
  ] as readonly List[])
    t.type(trailersProblem(fieldsOf(list)), 'string', JSON.stringify(list));
});
