import t from 'tap';
import type { Fault } from '../../../../bench/soak/faults.js';
import { outcomeOf } from '../../../../bench/soak/outcomes.js';
import type { Pod } from '../../../../bench/soak/pods.js';
import { REQUEST_KINDS, type RequestKind } from '../../../../bench/soak/request-kinds.js';
import { ResponseParser } from '../../../../bench/soak/response-parser.js';
import type { Ending } from '../../../../bench/soak/soak-connection.js';

const kindNamed = (name: string) => REQUEST_KINDS.find((kind) => kind.name === name) as RequestKind;
const GET = kindNamed('small GET');
const POST = kindNamed('1 KB POST');
const RESET: Fault = { kind: 'reset', pod: 1 };
const CUT: Fault = { kind: 'cut' };

const ok = (length: number, comes = length) =>
  `HTTP/1.1 200 OK\r\nx-served-by: v1-1\r\ncontent-length: ${length}\r\n\r\n${'x'.repeat(comes)}`;
const own = (status: number, code: string) =>
  `HTTP/1.1 ${status} Own\r\nx-roost-error: ${code}\r\ncontent-length: 0\r\n\r\n`;

interface Case {
  readonly what: string;
  readonly kind: RequestKind;
  readonly ending: Ending;
  readonly response: string;
  readonly fault?: Fault;
  readonly killed?: string;
  readonly is: string;
}

const CASES: readonly Case[] = [
  { what: 'an answer', kind: GET, ending: 'complete', response: ok(GET.answerBytes), is: 'answered' },
  { what: 'a wrong length', kind: GET, ending: 'complete', response: ok(7), is: 'unexplained' },
  { what: 'a client that left', kind: GET, ending: 'left', response: '', is: 'left' },
  { what: 'no answer in time', kind: GET, ending: 'timeout', response: '', is: 'savable' },
  {
    what: 'a GET whose reset was passed on',
    kind: GET,
    ending: 'complete',
    response: own(502, 'upstream-reset'),
    fault: RESET,
    is: 'savable',
  },
  {
    what: 'a POST that was never sent',
    kind: POST,
    ending: 'complete',
    response: own(502, 'connect-failure'),
    killed: 'v1-1',
    is: 'savable',
  },
  { what: 'a refusal', kind: POST, ending: 'complete', response: own(503, 'no-endpoint'), is: 'savable' },
  {
    what: 'a POST reset after it was sent',
    kind: POST,
    ending: 'complete',
    response: own(502, 'upstream-reset'),
    fault: RESET,
    is: 'lost',
  },
  {
    what: 'the same by a kill',
    kind: POST,
    ending: 'complete',
    response: own(502, 'upstream-reset'),
    killed: 'v2-1',
    is: 'lost',
  },
  {
    what: 'the same with nothing to cause it',
    kind: POST,
    ending: 'complete',
    response: own(502, 'upstream-reset'),
    is: 'unexplained',
  },
  { what: 'a response cut', kind: GET, ending: 'broken', response: ok(200, 100), fault: CUT, is: 'lost' },
  { what: 'its pod killed', kind: GET, ending: 'broken', response: ok(200, 100), killed: 'v1-1', is: 'lost' },
  {
    what: 'another pod killed',
    kind: GET,
    ending: 'broken',
    response: ok(200, 100),
    killed: 'v1-2',
    is: 'unexplained',
  },
  { what: 'the sidecar hung up', kind: GET, ending: 'no-response', response: '', is: 'unexplained' },
  { what: 'no HTTP', kind: GET, ending: 'malformed', response: '', is: 'unexplained' },
];

t.test('every failure has a cause, and is savable or not', async (t) => {
  for (const { what, kind, ending, response: text, fault, killed, is } of CASES) {
    const response = new ResponseParser();
    response.read(Buffer.from(text));
    const pods = new Map(
      ['v1-1', 'v1-2', 'v2-1'].map((name) => [
        name,
        { wasDisturbedSince: () => name === killed } as unknown as Pod,
      ]),
    );
    const outcome = outcomeOf({ kind, ending, response, sentAtMs: 0, fault }, pods);
    t.equal(outcome.is === 'failed' ? outcome.how : outcome.is, is, what);
  }
});
