import t from 'tap';
import { headOf, parseRequest, parseResponse, verdict } from '../../../support/http1/heads.js';

const withConnection = (...values: string[]) =>
  headOf('GET / HTTP/1.1', 'Host: a', ...values.map((value) => `Connection: ${value}`));

t.test(
  'reads the options of every Connection field, in any letter case (RFC 9110 section 7.6.1)',
  async (t) => {
    const options = (...values: string[]) => parseRequest(withConnection(...values)).connection;
    const none = { close: false, keepAlive: false, upgrade: false, nominated: [] };
    t.strictSame(options(), none);
    t.strictSame(options(''), none);
    t.strictSame(options('close'), { ...none, close: true });
    t.strictSame(options('keep-alive'), { ...none, keepAlive: true });
    t.strictSame(options('Keep-Alive'), { ...none, keepAlive: true });
    t.strictSame(options('keep-alive,Upgrade'), { ...none, keepAlive: true, upgrade: true });
    t.strictSame(options('X-One , ,\tx-TWO'), { ...none, nominated: ['x-one', 'x-two'] });
    t.strictSame(options('x-one', 'close'), { ...none, close: true, nominated: ['x-one'] });
  },
);

t.test(
  'refuses to drop a field that frames, routes or identifies a message (RFC 9110 section 7.6.1)',
  async (t) => {
    for (const name of [
      'host',
      'Content-Length',
      'transfer-encoding',
      'Cookie',
      'set-cookie',
      'Authorization',
      'X-Forwarded-For',
      'x-forwarded-proto',
      'x-request-id',
      'traceparent',
      'baggage',
    ]) {
      t.equal(
        verdict(() => parseRequest(withConnection(`close, ${name}`))),
        400,
        name,
      );
      const response = headOf('HTTP/1.1 200 OK', `Connection: ${name}`);
      t.equal(
        verdict(() => parseResponse(response)),
        400,
        name,
      );
    }
  },
);
