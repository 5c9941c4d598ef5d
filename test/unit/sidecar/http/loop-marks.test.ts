import t from 'tap';
import { LoopMarks } from '../../../../sidecar/http/loop-marks.js';
import { headOf, parseRequest } from '../../../support/http1/heads.js';

const [a, b] = [new LoopMarks(1n), new LoopMarks(2n)];

const request = (line: string, via: readonly string[] = [], host = 'checkout') =>
  parseRequest(headOf(`${line} HTTP/1.1`, `Host: ${host}`, ...via.map((value) => `x-roost-via: ${value}`)));
const passes = (marks: LoopMarks, ...args: Parameters<typeof request>) => {
  const via = marks.pass(request(...args));
  return typeof via === 'string' ? via : via.code;
};

t.test(
  'a request that has been here before is a loop, wherever its mark is (RFC 9110 section 7.6.3)',
  async (t) => {
    const first = passes(a, 'GET /x?y');
    t.match(first, /^[a-z0-9]+$/);
    t.equal(passes(a, 'GET /x?y', [first]), 'loop-detected');
    const second = passes(b, 'GET /x?y', [first]);
    t.equal(second.split(', ')[0], first);
    t.equal(passes(a, 'GET /x?y', [second]), 'loop-detected', 'after another sidecar');
    t.equal(passes(b, 'GET /x?y', [second]), 'loop-detected');
    t.equal(passes(a, 'GET /x?y', ['other', `  ${first}  `, 'another']), 'loop-detected', 'in several lines');
    t.equal(passes(a, 'GET http://checkout/x?y', [first], 'whoever'), 'loop-detected', 'in absolute form');
    t.equal(passes(a, 'GET /x?y', [first], 'CHECKOUT.'), 'loop-detected', 'in another spelling');
  },
);

t.test('another request may pass the same sidecar with the marks of the first', async (t) => {
  const first = passes(a, 'GET /x?y');
  const others: readonly Parameters<typeof request>[] = [
    ['GET /x', [first]],
    ['GET /x?z', [first]],
    ['POST /x?y', [first]],
    ['GET /x?y', [first], 'orders'],
    ['GET /x?y', [first], 'checkout:8080'],
  ];
  for (const other of others) t.match(passes(a, ...other), `${first}, `, other.join(' '));
  t.match(passes(a, 'GET /x?y', ['']), /^[a-z0-9]+$/, 'an empty field is none');
});

t.test('a request that changes on its way comes to an end, too', async (t) => {
  let [via, rounds] = ['', 0];
  do {
    const next = a.pass(request(`GET /${'a/'.repeat(rounds++)}`, via === '' ? [] : [via]));
    via = typeof next === 'string' ? next : '';
  } while (via !== '');
  t.equal(rounds, 33);
});
