import t from 'tap';
import { SessionSurvey } from '../../../../control-plane/load/session-survey.js';
import {
  decodeQuestion,
  type HeldSession,
  type SessionQuestion,
  sampleRank,
} from '../../../../src/xds/session-survey.js';

const WANTED = { tags: [1], ttlMs: 60_000 };
const NEVER = 3_600_000;

function session(n: number): HeldSession {
  return {
    key: BigInt(n) << 20n,
    saltedHash: 0n,
    salt: 0,
    tag: 1,
    idleMs: 0,
    pin: { release: 1, endpoint: 2, label: false },
  };
}

/** Answers at once, unless it is told not to. */
class Sidecar {
  readonly questions: SessionQuestion[] = [];
  isSilent = false;

  constructor(
    private readonly survey: SessionSurvey,
    private readonly sessions: readonly HeldSession[],
  ) {
    survey.join(this);
  }

  write(response: object): void {
    const question = decodeQuestion(response as Record<string, unknown>);
    if (question === undefined) throw new Error('that is no question');
    this.questions.push(question);
    if (!this.isSilent) setImmediate(() => this.answer(question));
  }

  answer({ id, below }: SessionQuestion): void {
    const told = this.sessions.filter(
      ({ key }) => sampleRank(Number(key >> 32n), Number(key & 0xffffffffn)) < below,
    );
    const [first, rest] = [told.slice(0, 2), told.slice(2)];
    this.survey.hear(this, { id, total: 2, sessions: first, isLast: false });
    this.survey.hear(this, { id, total: this.sessions.length, sessions: rest, isLast: true });
  }
}

const many = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => session(from + i));

t.test('all sessions of all sidecars are told, and one that two hold alike counts once', async (t) => {
  const survey = new SessionSurvey({ sessions: 1000, answerMs: NEVER, atOnce: 1 });
  t.same(await survey.take(WANTED), { sessions: [], weight: 1, silent: 0 }, 'there is no sidecar yet');
  const sidecars = [
    new Sidecar(survey, many(0, 20)),
    new Sidecar(survey, many(10, 30)),
    new Sidecar(survey, []),
  ];
  const { sessions, weight, silent } = await survey.take(WANTED);
  t.same([sessions.length, weight, silent], [30, 1, 0]);
  t.match(sidecars[0]?.questions, [{ ...WANTED, below: 0 }, WANTED]);
  t.equal(sidecars[2]?.questions.length, 1, 'who holds none is asked for none');
  t.same(await survey.take({ tags: [], ttlMs: 1 }), { sessions: [], weight: 1, silent: 0 });
});

t.test('of too many sessions a sample is told, which stands for all', async (t) => {
  const survey = new SessionSurvey({ sessions: 1000, answerMs: NEVER, atOnce: 1 });
  new Sidecar(survey, many(0, 10_000));
  const { sessions, weight } = await survey.take(WANTED);
  t.ok(Math.abs(sessions.length - 1000) < 150, `${sessions.length}`);
  t.ok(Math.abs(weight - 10) < 0.01);
});

t.test('a sidecar that does not answer is waited for once, until it has answered', async (t) => {
  const survey = new SessionSurvey({ sessions: 1000, answerMs: 20, atOnce: 1 });
  const [, silent] = [new Sidecar(survey, many(0, 5)), new Sidecar(survey, many(5, 9))];
  silent.isSilent = true;
  t.match(await survey.take(WANTED), { sessions: { length: 5 }, silent: 1 });
  t.match(await survey.take(WANTED), { sessions: { length: 5 }, silent: 1 });
  t.equal(silent.questions.length, 1);
  silent.isSilent = false;
  silent.answer(silent.questions[0] as SessionQuestion);
  t.match(await survey.take(WANTED), { sessions: { length: 9 }, silent: 0 });
});

t.test('a sidecar that leaves is not waited for', async (t) => {
  const survey = new SessionSurvey({ sessions: 1000, answerMs: NEVER, atOnce: 1 });
  const leaving = new Sidecar(survey, many(0, 5));
  leaving.write = () => setImmediate(() => survey.leave(leaving));
  t.match(await survey.take(WANTED), { sessions: { length: 0 } });
});

t.test('as many surveys as may run at a time do, and the others follow', async (t) => {
  const survey = new SessionSurvey({ sessions: 1000, answerMs: NEVER, atOnce: 2 });
  const sidecar = new Sidecar(survey, many(0, 5));
  sidecar.isSilent = true;
  const surveys = Array.from({ length: 5 }, () => survey.take(WANTED));
  t.equal(sidecar.questions.length, 2);
  sidecar.isSilent = false;
  for (const question of sidecar.questions.slice()) sidecar.answer(question);
  for (const told of await Promise.all(surveys)) t.equal(told.sessions.length, 5);
});

t.test('of sessions that all sidecars share, the sample is as large as of one', async (t) => {
  const survey = new SessionSurvey({ sessions: 1000, answerMs: NEVER, atOnce: 1 });
  const sidecars = Array.from({ length: 20 }, () => new Sidecar(survey, many(0, 5000)));
  const { sessions, weight, silent } = await survey.take(WANTED);
  t.ok(Math.abs(sessions.length - 1000) < 350, `${sessions.length}`);
  t.ok(Math.abs(sessions.length * weight - 5000) < 1500, `${sessions.length * weight}`);
  t.equal(silent, 0);
  t.ok(sidecars.filter(({ questions }) => questions.length === 3).length <= 3, 'a few are asked once more');
});

t.test('of sessions that some share and others do not, all that there are are in the sample', async (t) => {
  const survey = new SessionSurvey({ sessions: 1000, answerMs: NEVER, atOnce: 1 });
  for (let i = 0; i < 10; i++) new Sidecar(survey, many(0, 3000));
  for (let i = 0; i < 10; i++) new Sidecar(survey, many(10_000 + i * 1000, 11_000 + i * 1000));
  const { sessions, weight } = await survey.take(WANTED);
  const shared = sessions.filter(({ key }) => key >> 20n < 3000n).length;
  t.ok(Math.abs(sessions.length * weight - 13_000) < 3000, `${sessions.length * weight}`);
  t.ok(Math.abs(shared / sessions.length - 3 / 13) < 0.12, `${shared} of ${sessions.length}`);
});
