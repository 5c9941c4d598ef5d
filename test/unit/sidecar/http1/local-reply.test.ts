import t from 'tap';
import { localAnswerText } from '../../../../sidecar/http1/local-reply.js';
import { ERROR_CATALOGUE, type ErrorCode } from '../../../../src/http/error-catalogue.js';
import { forwardedBytes, transcribeResponse } from '../../../support/http1/transcripts.js';

const CODES = Object.keys(ERROR_CATALOGUE) as ErrorCode[];

t.test('every answer of our own is a whole response with its code and a one-line body', async (t) => {
  for (const code of CODES) {
    const text = localAnswerText({ code, detail: 'why é' }, { close: false, head: false });
    const { responses, reusable } = transcribeResponse([text]);
    const { status, message } = ERROR_CATALOGUE[code];
    t.match(responses, [{ status, complete: true, framing: 'length' }], code);
    t.match(forwardedBytes(responses[0] as NonNullable<(typeof responses)[0]>), `x-roost-error: ${code}\r\n`);
    const body = Buffer.from(responses[0]?.body ?? '', 'latin1').toString('utf8');
    t.equal(body, `${message}: why é\n`);
    t.equal(reusable, true, 'not a byte more than it announces');
    t.match(text, /^HTTP\/1\.1 \d{3} [A-Z][A-Za-z ]+\r\n/, 'every status has its reason');
  }
});

t.test('the answer to a HEAD has the same head and no body (RFC 9110 section 9.3.2)', async (t) => {
  const reply = { code: 'no-route', detail: 'x' } as const;
  const whole = localAnswerText(reply, { close: false, head: false });
  const head = localAnswerText(reply, { close: false, head: true });
  t.equal(whole, `${head}no route matches: x\n`);
  t.equal(transcribeResponse([head], { method: 'HEAD' }).reusable, true);
});

t.test('says so where the connection ends with it (RFC 9112 section 9.6)', async (t) => {
  const reply = { code: 'no-route', detail: '' } as const;
  t.match(localAnswerText(reply, { close: true, head: false }), '\r\nconnection: close\r\n');
  t.notMatch(localAnswerText(reply, { close: false, head: false }), 'connection');
});

t.test('overload says when to come back (RFC 9110 section 10.2.3), and nothing else does', async (t) => {
  for (const code of CODES) {
    const text = localAnswerText({ code, detail: '' }, { close: false, head: false });
    t.equal(/\r\nretry-after: 1\r\n/.test(text), code === 'overloaded', code);
  }
});
