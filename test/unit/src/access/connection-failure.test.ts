import t from 'tap';
import { connectionCause, explainTlsFailure, isLasting } from '../../../../src/access/connection-failure.js';

const ESTABLISHED = 'No connection established. Last error: ';

t.test("why a call failed is said in our words, not in grpc-js's", async (t) => {
  for (const [details, words] of [
    [`${ESTABLISHED}Error: connect ECONNREFUSED [::1]:1. Resolution note: `, 'connect ECONNREFUSED [::1]:1'],
    [`${ESTABLISHED}undefined. Resolution note: `, 'no connection could be made'],
    ['No connection established', 'no connection could be made'],
    ['Deadline exceeded after 10.002s,LB pick: 0.001s,remote_addr=127.0.0.1:1', 'no answer within 10 s'],
    ['Deadline exceeded after 2.049s,Waiting for LB pick', 'no connection within 2 s'],
    ['Deadline exceeded after 2.0s,waiting for name resolution', 'no connection within 2 s'],
    ['Deadline exceeded', 'no answer in time'],
    [
      'Name resolution failed for target dns:nowhere.test:15010',
      'the name of nowhere.test:15010 is not found',
    ],
    [
      `${ESTABLISHED}Failed to connect (before handshake). Resolution note: `,
      'the connection was closed before it was ready',
    ],
    ['Connection dropped', 'the connection broke'],
    ['Received RST_STREAM with code 2 (Internal server error)', 'the call was broken off (HTTP/2 error 2)'],
    ['Received HTTP status code 404', 'the answer is HTTP status 404, and no gRPC'],
    ['Received message larger than max (70 vs 64)', 'the message has 70 bytes, and at most 64 are taken'],
    ['no service shop/cart is configured', 'no service shop/cart is configured'],
  ] as const)
    t.equal(connectionCause({ details }), words, details);
});

t.test('what dialling again does not change is known', async (t) => {
  const at = { host: 'cp', port: 1 };
  const details = `${ESTABLISHED}Error: self-signed certificate. Resolution note: `;
  t.equal(isLasting({ details }, { usesTls: true }), true);
  t.match(explainTlsFailure({ details }, at, { usesTls: true }, '--ca'), /name its CA with --ca FILE/);
  t.equal(isLasting({ details: 'Protocol error' }, { usesTls: false }), true);
  const closed = { details: `${ESTABLISHED}Failed to connect (x). Resolution note: ` };
  t.equal(isLasting(closed, { usesTls: false }), false, 'a load balancer without control planes does that');
  t.match(
    explainTlsFailure(closed, at, { usesTls: false }, '--ca'),
    /it hung up: the connection was closed before/,
  );
});
