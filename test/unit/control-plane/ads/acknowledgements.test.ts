import t from 'tap';
import { Acknowledgements, mentions } from '../../../../control-plane/ads/acknowledgements.js';

type Step =
  /** Nonce, revision, names. */
  | readonly ['sent', string, number, string]
  | readonly ['ack', string]
  | readonly ['nack', string, string]
  | readonly ['keep', string];

interface Case {
  readonly steps: readonly Step[];
  readonly unanswered: number;
  /** Highest revision that is settled, of 1 to 9. */
  readonly settledUpTo: number;
  readonly rejection?: string;
}

const CASES: Readonly<Record<string, Case>> = {
  'nothing sent: everything is settled': { steps: [], unanswered: 0, settledUpTo: 9 },
  'a response waits for its answer': { steps: [['sent', '1', 3, 'a']], unanswered: 1, settledUpTo: 2 },
  'an ACK settles it': {
    steps: [
      ['sent', '1', 3, 'a'],
      ['ack', '1'],
    ],
    unanswered: 0,
    settledUpTo: 9,
  },
  'an answer counts for all responses before it, and for none after it': {
    steps: [
      ['sent', '1', 3, 'a'],
      ['sent', '2', 4, 'b'],
      ['sent', '3', 5, 'c'],
      ['ack', '2'],
    ],
    unanswered: 1,
    settledUpTo: 4,
  },
  'an unknown nonce says nothing': {
    steps: [
      ['sent', '1', 3, 'a'],
      ['ack', '7'],
      ['nack', '8', 'no'],
    ],
    unanswered: 1,
    settledUpTo: 2,
  },
  'an answer given twice counts once': {
    steps: [
      ['sent', '1', 3, 'a'],
      ['ack', '1'],
      ['nack', '1', 'too late'],
    ],
    unanswered: 0,
    settledUpTo: 9,
  },
  'a NACK is an answer, and a rejection': {
    steps: [
      ['sent', '1', 3, 'a'],
      ['nack', '1', 'a is bad'],
    ],
    unanswered: 0,
    settledUpTo: 9,
    rejection: 'a is bad',
  },
  'the rejected resource accepted later ends the rejection': {
    steps: [
      ['sent', '1', 3, 'a b'],
      ['nack', '1', 'a is bad'],
      ['sent', '2', 4, 'a'],
      ['ack', '2'],
    ],
    unanswered: 0,
    settledUpTo: 9,
  },
  'another resource accepted later says nothing of it': {
    steps: [
      ['sent', '1', 3, 'a'],
      ['nack', '1', 'a is bad'],
      ['sent', '2', 4, 'b'],
      ['ack', '2'],
    ],
    unanswered: 0,
    settledUpTo: 9,
    rejection: 'a is bad',
  },
  'a refusal that names nobody is about all of them': {
    steps: [
      ['sent', '1', 3, 'a b'],
      ['nack', '1', 'no'],
      ['sent', '2', 4, 'a'],
      ['ack', '2'],
    ],
    unanswered: 0,
    settledUpTo: 9,
    rejection: 'no',
  },
  'and over when all of them have been accepted': {
    steps: [
      ['sent', '1', 3, 'a b'],
      ['nack', '1', 'no'],
      ['sent', '2', 4, 'a'],
      ['ack', '2'],
      ['sent', '3', 5, 'b'],
      ['ack', '3'],
    ],
    unanswered: 0,
    settledUpTo: 9,
  },
  'two rejections: the newest speaks, and both must end': {
    steps: [
      ['sent', '1', 3, 'a'],
      ['nack', '1', 'a is bad'],
      ['sent', '2', 4, 'b'],
      ['nack', '2', 'b is bad'],
      ['sent', '3', 5, 'b'],
      ['ack', '3'],
    ],
    unanswered: 0,
    settledUpTo: 9,
    rejection: 'b is bad',
  },
  'a complete response accepted ends every rejection': {
    steps: [
      ['sent', '1', 3, 'all'],
      ['nack', '1', 'a is bad'],
      ['sent', '2', 4, 'all'],
      ['ack', '2'],
    ],
    unanswered: 0,
    settledUpTo: 9,
  },
  'what is not asked for any more is not rejected either': {
    steps: [
      ['sent', '1', 3, 'a b'],
      ['nack', '1', 'a is bad'],
      ['keep', 'b'],
    ],
    unanswered: 0,
    settledUpTo: 9,
  },
};

t.test('what a client has said about the responses of one type', async (t) => {
  for (const [title, { steps, unanswered, settledUpTo, rejection }] of Object.entries(CASES)) {
    const acks = new Acknowledgements();
    for (const step of steps) take(acks, step);
    t.equal(acks.unanswered, unanswered, `${title}: unanswered`);
    t.equal(acks.rejection?.message, rejection, `${title}: rejection`);
    for (let revision = 1; revision <= 9; revision++)
      t.equal(acks.settled(revision), revision <= settledUpTo, `${title}: revision ${revision}`);
  }
});

function take(acks: Acknowledgements, [what, nonce, third, names = '']: Step): void {
  const list = (text: string) => (text === 'all' ? 'all' : text.split(' '));
  if (what === 'sent')
    acks.sent({ nonce, revision: third as number, revised: true, names: list(names), atMs: 0 });
  else if (what === 'ack') acks.answered(nonce, undefined, 1000);
  else if (what === 'nack') acks.answered(nonce, third as string, 1000);
  else acks.keepOnly((name) => nonce.split(' ').includes(name));
}

t.test('a rejection says when it came and what it was about', async (t) => {
  const acks = new Acknowledgements();
  acks.sent({ nonce: '1', revision: 7, revised: true, names: ['a'], atMs: 0 });
  t.equal(acks.newestNonce, '1');
  acks.answered('1', '', 1234);
  t.same(acks.rejection, { message: '', atMs: 1234, revision: 7 }, 'an empty refusal is one all the same');
});

t.test('a client that never answers costs a bounded memory and is never taken for settled', async (t) => {
  const acks = new Acknowledgements();
  for (let i = 1; i <= 5000; i++)
    acks.sent({ nonce: String(i), revision: i, revised: true, names: ['a'], atMs: i });
  t.equal(acks.unanswered, 100);
  t.equal(acks.unansweredSinceMs, 1, 'it has been silent since the first');
  t.notOk(acks.settled(1), 'the first response was never answered, remembered or not');
  acks.answered('4901', undefined, 0);
  t.ok(acks.settled(4901));
  t.equal(acks.unansweredSinceMs, 4902);
  t.notOk(acks.settled(4902));
  acks.answered('5000', undefined, 0);
  t.ok(acks.settled(5000));
  t.equal(acks.unansweredSinceMs, undefined);
});

t.test('a wait for a revision does not wait for answers about live endpoints', async (t) => {
  const acks = new Acknowledgements();
  const sent = (nonce: number, revised: boolean) =>
    acks.sent({ nonce: String(nonce), revision: 3, revised, names: ['a'], atMs: nonce });
  sent(1, false);
  t.ok(acks.settled(3));
  t.equal(acks.unansweredSinceMs, 1, 'its client is late all the same');
  sent(2, true);
  t.notOk(acks.settled(3));
  for (let nonce = 3; nonce < 300; nonce++) sent(nonce, false);
  t.notOk(acks.settled(3), 'nor is it forgotten among them');
  acks.answered('290', undefined, 0);
  t.ok(acks.settled(3));
});

t.test('a name is mentioned where it stands as a word of its own', async (t) => {
  for (const [text, name, expected] of [
    ['cluster shop/cart/v1: no good', 'shop/cart/v1', true],
    ['cluster shop/cart/v10: no good', 'shop/cart/v1', false],
    ['route shop/cart: no good', 'shop/cart/v1', false],
    ['cluster shop/cart/v1: no good', 'shop/cart', false],
    ['cluster shop/cart/v10 and shop/cart/v1', 'shop/cart/v1', true],
    ['bad is cart.shop.', 'cart.shop', true],
    ['bad is cart.shop.svc', 'cart.shop', false],
    ['bad is my.cart.shop', 'cart.shop', false],
    ['"cart.shop"', 'cart.shop', true],
    ['cart.shop', 'cart.shop', true],
    ['', 'cart.shop', false],
  ] as const) {
    t.equal(mentions(text, name), expected, `${name} in "${text}"`);
  }
});

t.test('of a refusal without end, a bounded part is kept', async (t) => {
  const acks = new Acknowledgements();
  acks.sent({ nonce: '1', revision: 1, revised: true, names: ['shop/cart', 'shop/pay'], atMs: 0 });
  acks.answered('1', `shop/cart: no good${' '.repeat(1_000_000)}shop/pay`, 0);
  t.ok((acks.rejection?.message.length ?? 0) < 10_000);
  t.ok(acks.isRejected('shop/cart'));
  t.notOk(acks.isRejected('shop/pay'), 'nor is all of it searched');
});
