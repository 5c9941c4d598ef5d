import t from 'tap';
import { looksLikeHttp1 } from '../../../../sidecar/intercept/sniff.js';
import { shown } from '../../../support/http1/heads.js';

const looks = (text: string) => looksLikeHttp1(Buffer.from(text, 'latin1'), 0);

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
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
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

t.test('looks from where it is told to', async (t) => {
  t.equal(looksLikeHttp1(Buffer.from('\x16\x03GET / HTTP/1.1'), 2), true);
  t.equal(looksLikeHttp1(Buffer.from('GET \x16\x03'), 4), false);
});
