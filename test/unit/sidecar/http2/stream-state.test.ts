import t from 'tap';
import {
  IDLE,
  type StreamEvent,
  type StreamState,
  transition,
} from '../../../../sidecar/http2/stream-state.js';

/** Every event in every state (RFC 9113 section 5.1); missing: it cannot happen. */
const MOVES: Readonly<Record<string, Partial<Record<StreamEvent, string>>>> = {
  idle: { headers: 'open', 'reset-sent': 'closed our-reset', 'reset-received': 'closed peer-reset' },
  open: {
    headers: 'open',
    'end-sent': 'half-closed-local',
    'end-received': 'half-closed-remote',
    'reset-sent': 'closed our-reset',
    'reset-received': 'closed peer-reset',
  },
  'half-closed-local': {
    headers: 'half-closed-local',
    'end-received': 'closed end',
    'reset-sent': 'closed our-reset',
    'reset-received': 'closed peer-reset',
  },
  'half-closed-remote': {
    headers: 'half-closed-remote',
    'end-sent': 'closed end',
    'reset-sent': 'closed our-reset',
    'reset-received': 'closed peer-reset',
  },
  closed: {},
};
const EVENTS: readonly StreamEvent[] = [
  'headers',
  'end-sent',
  'end-received',
  'reset-sent',
  'reset-received',
];

const OPEN = transition(IDLE, 'headers');
const STATES: readonly StreamState[] = [
  IDLE,
  OPEN,
  transition(OPEN, 'end-sent'),
  transition(OPEN, 'end-received'),
  transition(OPEN, 'reset-sent'),
];

const shown = (state: StreamState) => (state.kind === 'closed' ? `closed ${state.by}` : state.kind);

for (const state of STATES) {
  t.test(`a stream that is ${state.kind} makes the moves of RFC 9113, and no others`, async (t) => {
    for (const event of EVENTS) {
      const expected = MOVES[state.kind]?.[event];
      if (expected === undefined) t.throws(() => transition(state, event), event);
      else t.equal(shown(transition(state, event)), expected, event);
    }
  });
}
