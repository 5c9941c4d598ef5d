import fc from 'fast-check';
import t from 'tap';
import { readBaggage, withBaggage } from '../../../../src/http/baggage.js';
import { LONGEST_SESSION_COOKIE, readCookie } from '../../../../src/http/cookies.js';
import { readParameter } from '../../../../src/http/query.js';
import { traceIdOf } from '../../../../src/http/trace-context.js';
import { formatSessionCookie, PinDigests, parseSessionCookie } from '../../../../src/routing/pins.js';
import type { plainRequest } from '../../../../src/routing/request-view.js';
import { MeshTable } from '../../../support/mesh-table.js';
import { checkout } from '../../../support/shop.js';

/** Whatever clients send: decoders answer, and never throw (S3, S6, S8). */

t.setTimeout(120_000);

const v2 = { name: 'v2', lane: 'canary', endpoints: [{ address: '10.0.2.1:80' }] };

/** Bytes as header values hold them, with what the decoders split at more often than chance would have it. */
const unit = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) },
  {
    weight: 2,
    arbitrary: fc.constantFrom('=', ';', ',', '"', '%', '.', '~', '&', ' ', '\t', 'sid', 'lane', 'A', '-'),
  },
);
const bytes = fc.string({ unit, maxLength: 80 });
/** With the name that is looked for, so that values are read. */
const named = fc.tuple(bytes, bytes).map(([before, value]) => `${before};sid=${value}`);
const text = fc.oneof(bytes, named);

t.test('cookies, baggage, queries and trace contexts of any bytes are read or passed over', async (t) => {
  const decoders: Readonly<Record<string, (value: string) => unknown>> = {
    readCookie: (value) => readCookie(value, 'sid'),
    readBaggage: (value) => readBaggage(value, 'lane'),
    readParameter: (value) => readParameter(value, 'sid'),
    parseSessionCookie,
    traceIdOf,
  };
  for (const [name, decode] of Object.entries(decoders)) {
    t.doesNotThrow(
      () =>
        fc.assert(
          fc.property(text, (value) => ['string', 'object', 'undefined'].includes(typeof decode(value))),
        ),
      name,
    );
  }
});

t.test('a lane that is written into any baggage can be read from it', async () => {
  fc.assert(
    fc.property(fc.option(bytes, { nil: undefined }), (header) => {
      return readBaggage(withBaggage(header, 'roost-lane', 'canary'), 'roost-lane') === 'canary';
    }),
  );
});

const KEY_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const key = fc.string({ unit: fc.constantFrom(...KEY_ALPHABET), minLength: 22, maxLength: 22 });
const digest = fc.integer({ min: 0, max: 2 ** 48 - 1 });

t.test('a session cookie is read as it was written', async (t) => {
  const digests = new PinDigests(Buffer.from('secret'), 'shop/checkout');
  const pinned = fc.record({ release: digest, label: fc.boolean(), address: bytes });
  const pin = fc.option(
    pinned.map(({ address, ...to }) => digests.pin(to, address)),
    { nil: undefined },
  );
  fc.assert(
    fc.property(key, pin, (k, p) => {
      t.same(parseSessionCookie(formatSessionCookie({ key: k, pin: p })), { key: k, pin: p });
    }),
    { numRuns: 200 },
  );
});

t.test(
  'a session cookie that is cut or changed is another session or none, and never an error',
  async (t) => {
    const edit = fc.tuple(fc.nat({ max: 40 }), bytes);
    fc.assert(
      fc.property(key, digest, digest, edit, (k, release, endpoint, [at, put]) => {
        const cookie = formatSessionCookie({ key: k, pin: { release, endpoint, label: false } });
        const changed = cookie.slice(0, at) + put + cookie.slice(at + put.length);
        const parsed = parseSessionCookie(changed);
        if (parsed !== undefined) t.ok(formatSessionCookie(parsed).length <= LONGEST_SESSION_COOKIE);
      }),
      { numRuns: 200 },
    );
  },
);

t.test('a request of any cookie, baggage, query and key goes somewhere', async (t) => {
  const table = new MeshTable();
  table.apply(
    checkout({
      affinity: {
        key: [{ query: 'sid' }, { baggage: 'sid' }, { header: 'x-user-id' }, { cookie: 'sid' }],
        version: 'persistent',
        endpoint: 'persistent',
      },
      spec: { versions: [{ name: 'v1', endpoints: [{ address: '10.0.1.1:80' }] }, v2] },
    }),
  );
  fc.assert(
    fc.property(text, text, text, fc.array(text, { maxLength: 3 }), (cookie, baggage, query, users) => {
      const headers: [string, string][] = [
        ['cookie', cookie],
        ['baggage', baggage],
        ...users.map((user): [string, string] => ['x-user-id', user]),
      ];
      const options: Parameters<typeof plainRequest>[0] = { path: `/?${query}`, headers };
      const placed = table.send('checkout', options);
      t.not(placed.endpoint, undefined);
      t.ok(placed.endpoint && placed.session, 'a cookie is made where nothing can be read');
    }),
    { numRuns: 150 },
  );
  for (const headers of [
    [['x-user-id', 'k'.repeat(65_536)]],
    [['cookie', `sid=${'A'.repeat(8192)}`]],
    [['baggage', 'sid=%;'.repeat(2000)]],
    [['baggage', Array.from({ length: 10_000 }, (_, i) => `k${i}=v`).join(',')]],
  ] as [string, string][][]) {
    t.not(table.send('checkout', { headers }).endpoint, undefined);
  }
});
