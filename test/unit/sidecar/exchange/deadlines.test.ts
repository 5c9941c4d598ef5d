import t from 'tap';
import { Deadlines } from '../../../../sidecar/exchange/deadlines.js';

const TIMEOUTS = { requestMs: 100, perTryMs: 0, idleMs: 0 };

t.test('nothing is due before its time, and a deadline of 0 never is', async (t) => {
  const deadlines = new Deadlines(1000);
  t.equal(deadlines.due(1099, TIMEOUTS, 0), undefined);
  t.equal(deadlines.due(1100, TIMEOUTS, 0), 'request');
  t.equal(deadlines.due(1_000_000, { ...TIMEOUTS, requestMs: 0 }, 0), undefined);
});

t.test('what is idle is counted from the last that moved', async (t) => {
  const deadlines = new Deadlines(0);
  const none = { ...TIMEOUTS, requestMs: 0 };
  t.equal(deadlines.due(50, none, 50), 'idle');
  deadlines.moved(40);
  t.equal(deadlines.due(89, none, 50), undefined);
  t.equal(deadlines.due(90, none, 50), 'idle');
});

t.test('the connection of an attempt is late before the attempt is', async (t) => {
  const deadlines = new Deadlines(0);
  deadlines.connectMs = 20;
  deadlines.attemptMs = 20;
  t.equal(deadlines.due(19, TIMEOUTS, 0), undefined);
  t.equal(deadlines.due(20, TIMEOUTS, 0), 'connect');
  deadlines.connectMs = 0;
  t.equal(deadlines.due(20, TIMEOUTS, 0), 'attempt');
});

t.test('a wait ends once, early or in time, and the request may be over meanwhile', async (t) => {
  const deadlines = new Deadlines(0);
  let ended = 0;
  deadlines.connectMs = 10;
  deadlines.attemptMs = 10;
  deadlines.wait(200, () => ended++);
  t.equal(deadlines.due(50, TIMEOUTS, 0), undefined, 'no deadline of the attempt before');
  t.equal(deadlines.due(100, TIMEOUTS, 0), 'request');
  t.equal(deadlines.due(200, TIMEOUTS, 0), 'wait');
  deadlines.endWait();
  t.notOk(deadlines.isWaiting);
  deadlines.endWait();
  t.equal(ended, 1);
});
