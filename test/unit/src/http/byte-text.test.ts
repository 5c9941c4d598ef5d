import fc from 'fast-check';
import t from 'tap';
import {
  lowerAscii,
  percentDecode,
  trimBlanks,
  upperEscapes,
  urlText,
  utf8Bytes,
  utf8Text,
} from '../../../../src/http/byte-text.js';

t.test('text becomes its bytes in UTF-8, and these the text', async (t) => {
  t.equal(utf8Bytes('Grüße'), 'GrÃ¼Ã\u009fe');
  t.equal(utf8Text('GrÃ¼Ã\u009fe'), 'Grüße');
  t.equal(utf8Text('a\xe4b'), 'a\ufffdb', 'bytes that are no UTF-8');
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => utf8Text(utf8Bytes(text)) === text));
});

t.test('only blanks of HTTP are trimmed, and only letters of ASCII are lowered', async (t) => {
  t.equal(trimBlanks(' \t a b\u00a0 \t'), 'a b\u00a0');
  t.equal(trimBlanks('x a y', 1, 4), 'a');
  t.equal(trimBlanks('   '), '');
  t.equal(lowerAscii('AbC'), 'abc');
  t.equal(lowerAscii(utf8Bytes('ÄBC')), utf8Bytes('Äbc'), 'as Envoy folds case');
});

t.test('only %XX is decoded', async (t) => {
  t.equal(percentDecode('%41%c3%A4%%4%zz%2'), 'AÃ¤%%4%zz%2');
});

t.test('a text as it stands in a URL: what cannot stand there is percent-encoded, once', async (t) => {
  t.equal(urlText('/über?q=ö b'), '/%C3%BCber?q=%C3%B6%20b');
  t.equal(urlText('/%C3%BC/a+b&c=d#'), '/%C3%BC/a+b&c=d%23');
  t.equal(urlText('/東京/😀'), '/%E6%9D%B1%E4%BA%AC/%F0%9F%98%80');
  t.equal(urlText(urlText('/ü')), urlText('/ü'));
  t.equal(upperEscapes('/%c3%bC%zz%2'), '/%C3%BC%zz%2');
});
