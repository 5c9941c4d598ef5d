import fc from 'fast-check';

/** Valid messages, in all the ways that HTTP/1.1 lets them be written. */

/** A message and what it means. */
export interface Written {
  readonly bytes: string;
  readonly content: string;
}

export interface WrittenRequest extends Written {
  readonly method: string;
}

const TOKEN = [..."!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
const VALUE = [
  ...Array.from({ length: 95 }, (_, i) => String.fromCharCode(0x20 + i)),
  '\t',
  ...Array.from({ length: 128 }, (_, i) => String.fromCharCode(0x80 + i)),
];
const PATH = [...'abz019/-._~%?&=+;:@!$\'()*,"<>[]{}|\\^`'];

const text = (alphabet: readonly string[], min: number, max: number) =>
  fc.array(fc.constantFrom(...alphabet), { minLength: min, maxLength: max }).map((chars) => chars.join(''));

const content = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const blank = fc.constantFrom('', ' ', '\t', ' \t ');
const spelt = (name: string) =>
  fc
    .array(fc.boolean(), { minLength: name.length, maxLength: name.length })
    .map((upper) => [...name].map((c, i) => (upper[i] ? c.toUpperCase() : c)).join(''));

/** A field line without a meaning of its own. */
const plainField = fc
  .tuple(text(TOKEN, 1, 12), blank, text(VALUE, 0, 20), blank)
  .map(([name, before, value, after]) => `x-${name}:${before}${value}${after}`);

const oddField = fc.constantFrom(
  'Connection: keep-alive',
  'connection: X-Nominated',
  'x-nominated: 1',
  'Keep-Alive: 5',
  'TE: trailers',
  'X-Forwarded-For: 10.0.0.1',
  'x-request-id: theirs',
  'Baggage: a=b',
  'Cookie: a=b; c=d',
);

const fields = fc.array(fc.oneof({ weight: 3, arbitrary: plainField }, { weight: 1, arbitrary: oddField }), {
  maxLength: 5,
});

const extension = fc.constantFrom('', '', ';', ';a', '; a="b c" ;d');

function chunk(data: string, digits: number, extra: string): string {
  return `${data.length.toString(16).padStart(digits, '0')}${extra}\r\n${data}\r\n`;
}

const chunkedBody = fc
  .tuple(
    fc.array(fc.tuple(content, fc.integer({ min: 1, max: 4 }), extension), { maxLength: 4 }),
    fc.tuple(fc.integer({ min: 1, max: 3 }), extension),
    fc.array(plainField, { maxLength: 2 }),
  )
  .map(([chunks, [zeros, lastExtension], trailers]) => {
    const filled = chunks.filter(([data]) => data !== '');
    const lines = trailers.map((line) => `${line}\r\n`).join('');
    return {
      bytes: `${filled.map((c) => chunk(...c)).join('')}${'0'.repeat(zeros)}${lastExtension}\r\n${lines}\r\n`,
      content: filled.map(([data]) => data).join(''),
    };
  });

interface Body {
  readonly field: string | undefined;
  readonly bytes: string;
  readonly content: string;
}

const body: fc.Arbitrary<Body> = fc.oneof(
  fc.constant({ field: undefined, bytes: '', content: '' }),
  fc
    .tuple(spelt('content-length'), blank, content, fc.constantFrom('', '00'))
    .map(([name, space, data, zeros]) => ({
      field: `${name}:${space}${zeros}${data.length}`,
      bytes: data,
      content: data,
    })),
  fc
    .tuple(spelt('transfer-encoding'), spelt('chunked'), blank, chunkedBody)
    .map(([name, coding, space, chunks]) => ({ field: `${name}:${space}${coding}${space}`, ...chunks })),
);

const target = fc.oneof(
  text(PATH, 0, 20).map((path) => `/${path}`),
  text(PATH, 0, 10).map((path) => `http://other.example:81/${path}`),
  fc.constantFrom('http://other.example', 'HTTP://[::1]?q'),
);

/** `items` with one more somewhere among them. */
const inserted = (items: readonly string[], item: string | undefined, at: number) =>
  item === undefined
    ? [...items]
    : [...items.slice(0, at % (items.length + 1)), item, ...items.slice(at % (items.length + 1))];

export const request: fc.Arbitrary<WrittenRequest> = fc
  .record({
    method: fc.oneof(fc.constantFrom('GET', 'POST', 'PUT', 'HEAD', 'DELETE'), text(TOKEN, 1, 8)),
    target,
    host: spelt('host'),
    authority: fc.constantFrom('a', 'a.example:8080', '[::1]:80', ''),
    fields,
    body,
    emptyLine: fc.boolean(),
    at: fc.nat({ max: 10 }),
  })
  .filter(({ method }) => method !== 'CONNECT')
  .map(({ method, target, host, authority, fields, body, emptyLine, at }) => {
    const lines = inserted(inserted(fields, `${host}: ${authority}`, at), body.field, at + 1);
    const head = [`${method} ${target} HTTP/1.1`, ...lines].join('\r\n');
    return {
      method,
      bytes: `${emptyLine ? '\r\n' : ''}${head}\r\n\r\n${body.bytes}`,
      content: body.content,
    };
  });

export interface WrittenResponse extends Written {
  readonly method: string;
}

/** A response to GET or HEAD, with its interim responses, framed so that it has an end. */
export const response: fc.Arbitrary<WrittenResponse> = fc
  .record({
    method: fc.constantFrom('GET', 'GET', 'HEAD'),
    status: fc.constantFrom(200, 201, 204, 304, 404, 500, 999),
    reason: fc.oneof(
      fc.constant(''),
      text(VALUE, 0, 10).map((reason) => ` ${reason}`),
    ),
    interims: fc.array(fc.constantFrom(100, 102, 103), { maxLength: 3 }),
    fields,
    body: body.filter(({ field }) => field !== undefined),
    at: fc.nat({ max: 10 }),
  })
  .map(({ method, status, reason, interims, fields, body, at }) => {
    const bodyless = method === 'HEAD' || status === 204 || status === 304;
    const head = [`HTTP/1.1 ${status}${reason}`, ...inserted(fields, body.field, at)].join('\r\n');
    const before = interims.map((code) => `HTTP/1.1 ${code} For now\r\nLink: x\r\n\r\n`).join('');
    return {
      method,
      bytes: `${before}${head}\r\n\r\n${bodyless ? '' : body.bytes}`,
      content: bodyless ? '' : body.content,
    };
  });

/** Something that nearly is HTTP. */
export const garbage: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'GET / HTTP/1.1\r\n',
        'POST /x HTTP/1.0\r\n',
        'HTTP/1.1 200 OK\r\n',
        'HTTP/1.1 100 Continue\r\n\r\n',
        'Host: a\r\n',
        'Content-Length: 5\r\n',
        'Transfer-Encoding: chunked\r\n',
        'Connection: close, x\r\n',
        'Upgrade: h2c\r\n',
        '5\r\nhello\r\n',
        '0\r\n',
        '\r\n',
        '\r',
        '\n',
        ' ',
        '\t',
        ':',
        ';',
        '\0',
        'f'.repeat(16),
      ),
      fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));
