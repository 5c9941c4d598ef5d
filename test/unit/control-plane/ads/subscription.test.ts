import fc from 'fast-check';
import t from 'tap';
import {
  applyDelta,
  applySotw,
  MAX_SUBSCRIBED_NAMES,
  Subscription,
  TooManyNamesError,
} from '../../../../control-plane/ads/subscription.js';

/** `*` first, then the names in order of subscription. */
function held(subscription: Subscription): string {
  return [...(subscription.wildcard ? ['*'] : []), ...subscription.explicitNames].join(' ');
}

interface DeltaStep {
  readonly sub?: string;
  readonly unsub?: string;
  /** The type's first request on the stream, of a kind for which an empty list means everything. */
  readonly legacy?: boolean;
  /** Names to be answered; `*`: everything. */
  readonly answer: string;
  readonly held: string;
}

const words = (text = '') => text.split(' ').filter((word) => word !== '');

const DELTA: Readonly<Record<string, readonly DeltaStep[]>> = {
  'names are answered once': [
    { sub: 'a b', answer: 'a b', held: 'a b' },
    { answer: '', held: 'a b' },
  ],
  'a name asked for again is sent again': [
    { sub: 'a b', answer: 'a b', held: 'a b' },
    { sub: 'b', answer: 'b', held: 'a b' },
  ],
  'a name asked for twice in one request is sent once': [{ sub: 'a a b a', answer: 'a b', held: 'a b' }],
  'unsubscribing needs no answer, and only what is left is held': [
    { sub: 'a b', answer: 'a b', held: 'a b' },
    { unsub: 'a', answer: '', held: 'b' },
    { unsub: 'nosuch', answer: '', held: 'b' },
  ],
  'a name that was unsubscribed is sent again when it is wanted again': [
    { sub: 'a', answer: 'a', held: 'a' },
    { unsub: 'a', answer: '', held: '' },
    { sub: 'a', answer: 'a', held: 'a' },
  ],
  'subscribed and unsubscribed in one request: not wanted, not answered': [
    { sub: 'a b', unsub: 'a', answer: 'b', held: 'b' },
  ],
  'the explicit wildcard': [
    { sub: '*', answer: '*', held: '*' },
    { answer: '', held: '*' },
  ],
  'the wildcard asked for again is answered again': [
    { sub: '*', answer: '*', held: '*' },
    { sub: '*', answer: '*', held: '*' },
  ],
  'the wildcard and a name': [
    { sub: '* a', answer: '* a', held: '* a' },
    { sub: 'b', answer: 'b', held: '* a b' },
  ],
  'unsubscribing a name under a wildcard is answered, whether it was held or not': [
    { sub: '* a', answer: '* a', held: '* a' },
    { unsub: 'a', answer: 'a', held: '*' },
    { unsub: 'b', answer: 'b', held: '*' },
  ],
  'unsubscribing the wildcard keeps the names': [
    { sub: '* a', answer: '* a', held: '* a' },
    { unsub: '*', answer: '', held: 'a' },
    { unsub: 'a', answer: '', held: '' },
  ],
  'unsubscribing wildcard and name together is answered with nothing': [
    { sub: '* a', answer: '* a', held: '* a' },
    { unsub: '* a', answer: '', held: '' },
  ],
  'the legacy wildcard stays when names come on top': [
    { legacy: true, answer: '*', held: '*' },
    { sub: 'a', answer: 'a', held: '* a' },
    { unsub: '*', answer: '', held: 'a' },
  ],
  'an empty first request of other kinds means nothing': [{ answer: '', held: '' }],
};

t.test('delta: what a request asks to be answered, and what is held afterwards', async (t) => {
  for (const [title, steps] of Object.entries(DELTA)) {
    const subscription = new Subscription();
    steps.forEach(({ sub, unsub, legacy = false, answer, held: expected }, i) => {
      const demand = applyDelta(subscription, words(sub), words(unsub), legacy);
      const answered = [...(demand.everything ? ['*'] : []), ...demand.names].join(' ');
      t.equal(answered, answer, `${title}: answer ${i + 1}`);
      t.equal(held(subscription), expected, `${title}: held after ${i + 1}`);
    });
  }
});

interface SotwStep {
  readonly names: string;
  /** No name was ever sent for this type on this stream. */
  readonly neverNamed?: boolean;
  readonly added: string;
  readonly held: string;
}

const SOTW: Readonly<Record<string, readonly SotwStep[]>> = {
  'the list is always the whole list': [
    { names: 'a b', added: 'a b', held: 'a b' },
    { names: 'b c', added: 'c', held: 'b c' },
    { names: 'b c', added: '', held: 'b c' },
  ],
  'duplicates count once': [{ names: 'a a b a', added: 'a b', held: 'a b' }],
  'legacy wildcard: no names, ever': [
    { names: '', neverNamed: true, added: '*', held: '*' },
    { names: '', neverNamed: true, added: '', held: '*' },
  ],
  'a name ends the legacy wildcard': [
    { names: '', neverNamed: true, added: '*', held: '*' },
    { names: 'a', added: 'a', held: 'a' },
  ],
  'an empty list after a name means nothing': [
    { names: 'a', added: 'a', held: 'a' },
    { names: '', added: '', held: '' },
    { names: 'a', added: 'a', held: 'a' },
  ],
  'an empty first list of a kind without wildcards means nothing': [{ names: '', added: '', held: '' }],
  'the explicit wildcard, alone and with names': [
    { names: '*', added: '*', held: '*' },
    { names: '* a', added: 'a', held: '* a' },
    { names: 'a', added: '', held: 'a' },
    { names: 'a *', added: '*', held: '* a' },
    { names: '', added: '', held: '' },
  ],
};

t.test('state of the world: which names a request adds, and what is held afterwards', async (t) => {
  for (const [title, steps] of Object.entries(SOTW)) {
    const subscription = new Subscription();
    steps.forEach(({ names, neverNamed = false, added, held: expected }, i) => {
      const found = applySotw(subscription, words(names), neverNamed).join(' ');
      t.equal(found, added, `${title}: added by ${i + 1}`);
      t.equal(held(subscription), expected, `${title}: held after ${i + 1}`);
    });
  }
});

t.test('a subscription covers its names, and with a wildcard everything', async (t) => {
  const subscription = new Subscription();
  t.ok(subscription.isEmpty);
  t.notOk(subscription.covers('a'));
  subscription.change(['a'], []);
  t.ok(subscription.covers('a'));
  t.notOk(subscription.covers('b'));
  subscription.change(['*'], []);
  t.ok(subscription.covers('b'));
  t.notOk(subscription.isEmpty);
});

t.test('a client can ask for so many names and not for more, however it spreads them', async (t) => {
  const names = Array.from({ length: MAX_SUBSCRIBED_NAMES }, (_, i) => `name-${i}`);
  const full = new Subscription();
  applyDelta(full, names, [], false);
  t.equal(full.explicitNames.size, MAX_SUBSCRIBED_NAMES);
  applyDelta(full, ['*', 'name-0'], [], false);
  t.throws(() => applyDelta(full, ['one-more'], [], false), TooManyNamesError);
  t.throws(() => applySotw(new Subscription(), [...names, 'one-more'], false), TooManyNamesError);
});

t.test('whatever delta requests say, what is held is what they add up to', async () => {
  const name = fc.constantFrom('a', 'b', 'c', '*');
  const request = fc.record({ sub: fc.array(name), unsub: fc.array(name) });
  fc.assert(
    fc.property(fc.array(request), (requests) => {
      const subscription = new Subscription();
      const model = new Set<string>();
      for (const { sub, unsub } of requests) {
        const { names, everything } = applyDelta(subscription, sub, unsub, false);
        for (const added of sub) model.add(added);
        for (const removed of unsub) model.delete(removed);
        const covered = (n: (typeof sub)[number]) => model.has('*') || model.has(n);
        // Answered is exactly what was mentioned and is wanted.
        const mentioned = new Set<string>([...sub, ...unsub].filter((n) => n !== '*' && covered(n)));
        if (names.length !== mentioned.size || names.some((n) => !mentioned.has(n))) return false;
        if (everything !== (sub.includes('*') && model.has('*'))) return false;
      }
      const found = new Set([...subscription.explicitNames, ...(subscription.wildcard ? ['*'] : [])]);
      return found.size === model.size && [...found].every((n) => model.has(n));
    }),
  );
});

t.test('a name that no resource can have is refused, and not kept', async (t) => {
  const subscription = new Subscription();
  t.throws(() => subscription.change(['x'.repeat(1025)], []), TooManyNamesError);
  t.ok(subscription.isEmpty);
  subscription.change(['x'.repeat(1024)], []);
  t.equal(subscription.explicitNames.size, 1);
});
