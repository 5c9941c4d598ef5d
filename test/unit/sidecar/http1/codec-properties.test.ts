import fc from 'fast-check';
import t from 'tap';
import { DEFAULT_LIMITS } from '../../../../sidecar/http/limits.js';
import { checkRequests, everyCut } from '../../../fuzz/invariants.js';
import { garbage, request, response } from '../../../support/http1/arbitraries.js';
import { ODD_REQUESTS } from '../../../support/http1/odd-corpus.js';
import { contentOf, sameMessage, splitEverywhere } from '../../../support/http1/oracles.js';
import { BROKEN_CHUNKS, REFUSED_HEADS } from '../../../support/http1/smuggling-corpus.js';
import {
  forwardedBytes,
  transcribeRequests,
  transcribeResponse,
} from '../../../support/http1/transcripts.js';

/** The same cases every time; a failure prints the seed and the path to its smallest case. */
const RUNS = { seed: 20_240_607, numRuns: 300 };

const cuts = fc.array(fc.nat(), { maxLength: 6 });

/** Pieces of a text, cut at these places. */
function cutAt(bytes: string, places: readonly number[]): string[] {
  const sorted = places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b);
  return [0, ...sorted].map((from, i) => bytes.slice(from, sorted[i])).filter((piece) => piece !== '');
}

t.test('every valid request is understood and goes on with the same content', async (t) => {
  fc.assert(
    fc.property(request, ({ bytes, content, method }) => {
      const { requests, refused } = transcribeRequests([bytes]);
      const [seen] = requests;
      return (
        refused === undefined &&
        requests.length === 1 &&
        seen?.complete === true &&
        seen.method === method &&
        contentOf(seen) === content
      );
    }),
    RUNS,
  );
  t.pass();
});

t.test('a request is understood the same wherever it is cut', async (t) => {
  fc.assert(
    fc.property(request, cuts, fc.constantFrom('at-once', 'later'), ({ bytes }, places, mode) => {
      const whole = JSON.stringify(transcribeRequests([bytes]));
      return [...splitEverywhere(bytes), [...bytes], cutAt(bytes, places)].every(
        (pieces) => JSON.stringify(transcribeRequests(pieces, mode)) === whole,
      );
    }),
    { ...RUNS, numRuns: 60 },
  );
  t.pass();
});

t.test('requests behind one another are understood the same wherever they are cut', async (t) => {
  fc.assert(
    fc.property(fc.array(request, { minLength: 2, maxLength: 4 }), cuts, (messages, places) => {
      const bytes = messages.map((message) => message.bytes).join('');
      const whole = transcribeRequests([bytes]);
      if (whole.requests.length !== messages.length) return false;
      return [...splitEverywhere(bytes, 7), cutAt(bytes, places)].every((pieces) =>
        (['at-once', 'later'] as const).every(
          (mode) => JSON.stringify(transcribeRequests(pieces, mode)) === JSON.stringify(whole),
        ),
      );
    }),
    { ...RUNS, numRuns: 60 },
  );
  t.pass();
});

t.test(
  'every message of the tables is read the same in every split, and goes on for what it is',
  async (t) => {
    for (const { name, bytes } of [...ODD_REQUESTS, ...REFUSED_HEADS, ...BROKEN_CHUNKS]) {
      const input = Buffer.from(bytes, 'latin1');
      // Of the few very long ones, not every byte of their padding.
      const cuts = everyCut(input.length).filter(
        (_, at) => at < 300 || at > input.length - 100 || at % 997 === 0,
      );
      t.doesNotThrow(() => checkRequests(input, cuts, DEFAULT_LIMITS), name);
    }
  },
);

t.test('what goes on upstream is understood as the same request again', async (t) => {
  fc.assert(
    fc.property(request, ({ bytes }) => {
      const [once] = transcribeRequests([bytes]).requests;
      if (once === undefined) return false;
      const { requests, refused } = transcribeRequests([forwardedBytes(once)]);
      return refused === undefined && requests.length === 1 && sameMessage(once, requests[0]);
    }),
    RUNS,
  );
  t.pass();
});

t.test('every valid response is understood, wherever it is cut, and so is what goes on of it', async (t) => {
  fc.assert(
    fc.property(response, cuts, ({ bytes, content, method }, places) => {
      const whole = transcribeResponse([bytes], { method });
      const final = whole.responses.at(-1);
      if (whole.failure !== undefined || !final?.complete || contentOf(final) !== content) return false;
      const again = transcribeResponse([whole.responses.map(forwardedBytes).join('')], { method });
      return (
        again.failure === undefined &&
        again.responses.every((message, i) => sameMessage(message, whole.responses[i])) &&
        [...splitEverywhere(bytes), [...bytes], cutAt(bytes, places)].every(
          (pieces) => JSON.stringify(transcribeResponse(pieces, { method })) === JSON.stringify(whole),
        )
      );
    }),
    { ...RUNS, numRuns: 100 },
  );
  t.pass();
});

t.test('no bytes of a client do more than have a request refused', async (t) => {
  fc.assert(
    fc.property(garbage, cuts, (bytes, places) => {
      for (const pieces of [[bytes], cutAt(bytes, places)]) {
        const { requests, refused } = transcribeRequests(pieces);
        for (const seen of requests.filter(({ complete }) => complete)) {
          const again = transcribeRequests([forwardedBytes(seen)]);
          if (again.refused || again.requests.length !== 1 || !sameMessage(seen, again.requests[0]))
            return false;
        }
        if (refused && !/^(malformed|head-too|unsupported)/.test(refused.code)) return false;
      }
      return true;
    }),
    { ...RUNS, numRuns: 3000 },
  );
  t.pass();
});

t.test('no bytes of an upstream do more than have a response fail', async (t) => {
  fc.assert(
    fc.property(
      garbage,
      fc.boolean(),
      fc.constantFrom('GET', 'HEAD'),
      cuts,
      (bytes, ends, method, places) => {
        const whole = transcribeResponse([bytes], { ends, method });
        const cut = transcribeResponse(cutAt(bytes, places), { ends, method });
        if (whole.failure !== undefined) return cut.failure !== undefined;
        return JSON.stringify(cut) === JSON.stringify(whole);
      },
    ),
    { ...RUNS, numRuns: 3000 },
  );
  t.pass();
});
