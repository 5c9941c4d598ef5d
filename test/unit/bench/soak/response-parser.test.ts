import t from 'tap';
import { ResponseParser } from '../../../../bench/soak/response-parser.js';

const LENGTH =
  'HTTP/1.1 200 OK\r\nX-Served-By: v1-2\r\nContent-Length: 5\r\nSet-Cookie: a=b; Path=/\r\nConnection: close\r\n\r\nhello';
const CHUNKED =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\na;x=y\r\n0123456789\r\n0\r\nt: u\r\n\r\n';

t.test('reads a response however it is cut', async (t) => {
  for (const [text, bodyBytes] of [
    [LENGTH, 5],
    [CHUNKED, 15],
  ] as const)
    for (let cut = 1; cut < text.length; cut++) {
      const response = new ResponseParser();
      t.equal(response.read(Buffer.from(text.slice(0, cut))), false);
      t.equal(response.read(Buffer.from(text.slice(cut))), true, `cut at ${cut}`);
      t.equal(response.bodyBytes, bodyBytes);
      response.reset();
      t.equal(response.read(Buffer.from(text)), true, 'and the next one in one piece');
    }
});

t.test('knows what the head says', async (t) => {
  const response = new ResponseParser();
  response.read(Buffer.from(LENGTH));
  t.match(response, { status: 200, closes: true, servedBy: 'v1-2', cookie: 'a=b', ownError: undefined });
});

t.test('refuses what follows a response, and what has no end', async (t) => {
  t.throws(() => new ResponseParser().read(Buffer.from(`${LENGTH}!`)));
  t.throws(() => new ResponseParser().read(Buffer.from(`${CHUNKED}!`)));
  t.throws(() => new ResponseParser().read(Buffer.from('HTTP/1.1 200 OK\r\n\r\n')));
});
