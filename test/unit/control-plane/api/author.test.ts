import { Metadata } from '@grpc/grpc-js';
import t from 'tap';
import { authorOf } from '../../../../control-plane/api/author.js';
import { ACTOR_METADATA } from '../../../../src/api/config-service.js';
import { formatAuthor, NOBODY } from '../../../../src/model/author.js';

function author(peer: string, name?: string) {
  const metadata = new Metadata();
  if (name !== undefined) metadata.set(ACTOR_METADATA, Buffer.from(name));
  return authorOf({ metadata, getPeer: () => peer });
}

t.test('an author is an address without its port, and the name that was claimed', async (t) => {
  t.same(author('10.0.0.3:41234', 'ann'), { origin: 'api', name: 'ann', peer: '10.0.0.3' });
  t.same(author('::1:41234', 'Zoë'), { origin: 'api', name: 'Zoë', peer: '::1' });
  t.equal(author('::ffff:10.0.0.3:41234').peer, '10.0.0.3');
  t.same(author('unknown'), { origin: 'api', name: '', peer: 'unknown' });
});

t.test('a name cannot spoil a table or a terminal, and is bounded', async (t) => {
  t.equal(author('1.2.3.4:5', ' a\u001b[31m\n\tb\u202e ').name, 'a [31m b');
  t.equal(author('1.2.3.4:5', 'x'.repeat(500)).name.length, 100);
});

t.test('authors in words', async (t) => {
  t.equal(formatAuthor(author('10.0.0.3:1', 'ann')), 'ann (10.0.0.3)');
  t.equal(formatAuthor(author('10.0.0.3:1')), '(10.0.0.3)');
  t.equal(formatAuthor({ origin: 'files', name: '', peer: '' }), 'files');
  t.equal(formatAuthor(NOBODY), 'unknown');
});
