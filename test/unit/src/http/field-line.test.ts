import t from 'tap';
import { fieldLine, isCookieDomain, isCookiePath } from '../../../../src/http/field-line.js';

t.test('a field is one line or nothing (RFC 9110 section 5.5)', async (t) => {
  t.equal(fieldLine('x-a', 'b c'), 'x-a: b c\r\n');
  t.equal(
    fieldLine('x-a', 'na\xc3\xafve'),
    'x-a: na\xc3\xafve\r\n',
    'bytes beyond ASCII may stand in a value',
  );
  for (const value of ['a\r\nX-Evil: 1', 'a\nb', 'a\rb', 'a\0b', 'a\x7f', 'a\u010a'])
    t.equal(fieldLine('x-a', value), '', JSON.stringify(value));
  for (const name of ['', 'a b', 'a:', 'a\r\nb', 'ä'])
    t.equal(fieldLine(name, 'v'), '', JSON.stringify(name));
});

t.test('paths and domains that a cookie may have', async (t) => {
  for (const path of ['/', '/a/b.c', '/a%20b', '/~x,y=z', '/a b']) t.ok(isCookiePath(path), path);
  for (const path of ['', 'a', '/a;b', '/a\nb', '/ä', '/a\u010d\u010ab', '/\0'])
    t.notOk(isCookiePath(path), JSON.stringify(path));
  for (const domain of ['shop.example', '.shop.example', 'SHOP.example', '10.0.0.1'])
    t.ok(isCookieDomain(domain), domain);
  for (const domain of ['', '.', 'a..b', 'a b', 'a;b', 'a\r\nb', 'a:80', 'ä.example'])
    t.notOk(isCookieDomain(domain), JSON.stringify(domain));
});
