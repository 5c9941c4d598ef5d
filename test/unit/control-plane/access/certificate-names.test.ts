import t from 'tap';
import { urisOf } from '../../../../control-plane/access/certificate-names.js';

t.test('URIs are taken from the alternative names, as Node prints them', async (t) => {
  t.same(urisOf('DNS:shop, URI:spiffe://mesh/shop, IP Address:127.0.0.1, URI:urn:x'), [
    'spiffe://mesh/shop',
    'urn:x',
  ]);
  t.same(urisOf(''), []);
});

t.test('a name cannot be written so that it counts as two (CVE-2021-44532)', async (t) => {
  t.same(urisOf('URI:"http://x/a, URI:spiffe://mesh/admin"'), ['http://x/a, URI:spiffe://mesh/admin']);
  t.same(urisOf('DNS:"x, URI:spiffe://mesh/admin"'), []);
  t.same(urisOf('URI:"a\\"b, URI:c"'), ['a"b, URI:c']);
});
