import t from 'tap';
import { HTTP2_PREFACE, sniff } from '../../../../sidecar/intercept/sniff.js';
import { shown } from '../../../support/http1/heads.js';

const protocolOf = (text: string) => sniff(Buffer.from(text, 'latin1'));
/** So far, it may be one. */
const looks = (text: string) => ['http1', 'more'].includes(protocolOf(text));

t.test('sees the start of an HTTP/1 request', async (t) => {
  for (const text of [
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    'POST /a HTTP/1.0\r\n',
    'OPTIONS * HTTP/1.1\r\n',
    'GET http://a/ HTTP/1.1\r\n',
    'GET HTTP://a/ HTTP/1.1\r\n',
    'GET https://a/ HTTP/1.1\r\n',
    'CONNECT a:80 HTTP/1.1\r\n',
    'CONNECT [::1]:443 HTTP/1.1\r\n',
    'CONNECT checkout-with-a-very-long-name.shop.svc.cluster.local:8080 HTTP/1.1\r\n',
    `GET /${'a'.repeat(100)} HTTP/1.1\r\n`,
    'M-SEARCH / HTTP/1.1\r\n',
    'PROPFIND /x HTTP/1.1\r\n',
  ]) {
    t.equal(looks(text), true, shown(text));
    for (let length = 1; length < text.length; length++) {
      if (!looks(text.slice(0, length))) t.fail(`not when only ${shown(text.slice(0, length))} has come`);
    }
  }
});

t.test('sees that other protocols are none', async (t) => {
  for (const text of [
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'SSH-2.0-OpenSSH_9.2\r\n',
    'PRI * HTTP/2.1\r\n\r\n',
    'EHLO mail.example\r\n',
    'HELO a\r\n',
    'USER anonymous\r\n',
    'PING\r\n',
    '*1\r\n$4\r\nPING\r\n',
    '\x00\x00\x00\x08\x04\xd2\x16\x2f',
    '\x10\x25\x00\x04MQTT',
    'get / HTTP/1.1\r\n',
    ' GET / HTTP/1.1\r\n',
    '\r\nGET / HTTP/1.1\r\n',
    '{"id":1}',
  ]) {
    t.equal(looks(text), false, shown(text));
  }
});

t.test('sees HTTP/2 by its whole preface (RFC 9113 section 3.4), and TLS by its first record', async (t) => {
  for (let length = 1; length < HTTP2_PREFACE.length; length++)
    t.equal(protocolOf(HTTP2_PREFACE.slice(0, length)), 'more', `${length} bytes`);
  t.equal(protocolOf(HTTP2_PREFACE), 'http2');
  t.equal(protocolOf(`${HTTP2_PREFACE}\x00\x00\x00\x04`), 'http2');
  t.equal(protocolOf('PRI / HTTP/1.1\r\n'), 'http1');
  t.equal(protocolOf('POST / HTTP/1.1\r\n'), 'http1');
  t.equal(protocolOf('\x16'), 'tls');
  t.equal(protocolOf('\x16\x03\x01'), 'tls');
  t.equal(protocolOf('\x16\x02'), 'opaque');
});
