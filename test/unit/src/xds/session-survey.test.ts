import t from 'tap';
import { codec } from '../../../../src/xds/descriptors.js';
import {
  ALL_RANKS,
  answering,
  decodeAnswer,
  decodeQuestion,
  encodeQuestion,
  type HeldSession,
  isAnswering,
  MAX_TAGS,
  sampleRank,
  withAnswer,
} from '../../../../src/xds/session-survey.js';

const REQUEST = codec('envoy.service.load_stats.v3.LoadStatsRequest');
const RESPONSE = codec('envoy.service.load_stats.v3.LoadStatsResponse');
const node = { id: 'sidecar-1', metadata: { fields: { service: { stringValue: 'web' } } } };

const session = (n: number, endpoint: number): HeldSession => ({
  saltedHash: BigInt(n) << 40n,
  salt: n,
  key: 0xfedcba9876543210n + BigInt(n),
  tag: 4_000_000_000 + n,
  idleMs: n * 1000,
  pin: { release: 2 ** 47 + n, endpoint, label: endpoint > 2 ** 49 },
});

t.test('a question and its answer arrive as they were sent', async (t) => {
  const question = { id: 7, tags: [1, 4_294_967_295], ttlMs: 3_600_000, below: ALL_RANKS };
  t.same(
    decodeQuestion(RESPONSE.decode(RESPONSE.encode({ clusters: [encodeQuestion(question)] }))),
    question,
  );
  const sessions = [session(0, 5), session(0, 2 ** 49 + 5), session(2, 5)];
  const answer = { id: 7, total: 3, sessions, isLast: true };
  const request = REQUEST.decode(REQUEST.encode({ node: withAnswer(node, answer) }));
  t.same(decodeAnswer(request), answer);
  t.match(request.node, { metadata: { fields: { service: { stringValue: 'web' } } } });
  t.same(
    decodeAnswer(
      REQUEST.decode(REQUEST.encode({ node: withAnswer(node, { ...answer, sessions: [], isLast: false }) })),
    ),
    { ...answer, sessions: [], isLast: false },
  );
});

t.test('an answer without salted hashes is one that versions before them read and write', async (t) => {
  const sessions = [1, 2].map((n) => ({ ...session(n, 5), saltedHash: 0n, salt: 0 }));
  const told = withAnswer(node, { id: 7, total: 2, sessions, isLast: true });
  const { fields } = (told as { metadata: { fields: Record<string, { stringValue: string }> } }).metadata;
  const bytes = Buffer.from(fields['roost.sessions']?.stringValue ?? '', 'base64');
  // Two sessions with a pin each: their release differs.
  t.equal(bytes.length, 20 + 2 * 20 + 2 * 17);
  t.equal(bytes.readBigUInt64LE(40), sessions[1]?.key);
  t.same(decodeAnswer(REQUEST.decode(REQUEST.encode({ node: told })))?.sessions, sessions);
});

t.test('only a node that says so answers, and nothing else is a question or an answer', async (t) => {
  t.equal(isAnswering(REQUEST.decode(REQUEST.encode({ node: answering(node) }))), true);
  t.equal(isAnswering(REQUEST.decode(REQUEST.encode({ node }))), false);
  t.equal(decodeAnswer(REQUEST.decode(REQUEST.encode({ node }))), undefined);
  for (const clusters of [[], ['shop/cart/v1'], ['roost.sessions/'], ['roost.sessions/1,x!,3']])
    t.equal(decodeQuestion(RESPONSE.decode(RESPONSE.encode({ clusters }))), undefined);
  const many = Array.from({ length: MAX_TAGS + 10 }, () => 1);
  const name = encodeQuestion({ id: 1, tags: many, ttlMs: 1, below: 1 });
  t.equal(decodeQuestion({ clusters: [name] })?.tags.length, MAX_TAGS);
});

t.test('an answer that is cut, too long or refers to nothing is none', async (t) => {
  const told = withAnswer(node, { id: 1, total: 1, sessions: [session(1, 5)], isLast: true });
  const { fields } = (told as { metadata: { fields: Record<string, { stringValue: string }> } }).metadata;
  const bytes = Buffer.from(fields['roost.sessions']?.stringValue ?? '', 'base64');
  const decode = (changed: Buffer) =>
    decodeAnswer({
      node: { metadata: { fields: { 'roost.sessions': { stringValue: changed.toString('base64') } } } },
    });
  t.equal(decode(bytes)?.total, 1);
  t.equal(decode(bytes.subarray(0, -1)), undefined);
  t.equal(decode(bytes.subarray(0, 19)), undefined);
  t.equal(decode(Buffer.concat([bytes, Buffer.alloc(1)])), undefined);
  for (const at of [8, 12, 20 + 16]) {
    const changed = Buffer.from(bytes);
    changed.writeUInt32LE(4_000_000_000, at);
    t.equal(decode(changed), undefined, `at ${at}`);
  }
});

t.test('a sample has as many of every slot and of every arc', async (t) => {
  const sampled = Array.from({ length: 100_000 }, (_, i) => i).filter(
    (i) => sampleRank(i * 40_000, i) < ALL_RANKS / 4,
  );
  t.ok(Math.abs(sampled.length - 25_000) < 600, `${sampled.length}`);
  const ofEvenSlots = sampled.filter((i) => i % 2 === 0).length / sampled.length;
  const ofLowerHalf = sampled.filter((i) => i < 50_000).length / sampled.length;
  t.ok(Math.abs(ofEvenSlots - 0.5) < 0.02 && Math.abs(ofLowerHalf - 0.5) < 0.02);
});
