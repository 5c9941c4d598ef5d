import t from 'tap';
import { OwedAssignments } from '../../../../control-plane/ads/owed-assignments.js';
import { type Answer, SharedAnswers } from '../../../../control-plane/ads/shared-answers.js';

const answer = (bytes = 1): Answer => ({ messages: [], bytes, owed: OwedAssignments.none });

t.test('an answer is made once for each key', async (t) => {
  const answers = new SharedAnswers();
  const made = answers.get('a', () => answer());
  t.equal(
    answers.get('a', () => answer()),
    made,
  );
  t.not(
    answers.get('b', () => answer()),
    made,
  );
});

t.test('beyond a thousand, what was used longest ago goes', async (t) => {
  const answers = new SharedAnswers();
  const [a, b] = ['a', 'b'].map((key) => answers.get(key, () => answer()));
  for (let i = 0; i < 999; i++) {
    answers.get(`${i}`, () => answer());
    t.equal(
      answers.get('a', () => answer()),
      a,
    );
  }
  t.not(
    answers.get('b', () => answer()),
    b,
  );
});

t.test('so do those that are too large together, and one that is too large alone is not kept', async (t) => {
  const answers = new SharedAnswers();
  const large = 30 * 1024 * 1024;
  const [a] = ['a', 'b', 'c'].map((key) => answers.get(key, () => answer(large)));
  const c = answers.get('c', () => answer());
  t.equal(c.bytes, large);
  t.not(
    answers.get('a', () => answer(0)),
    a,
  );
  const huge = answers.get('huge', () => answer(100 * 1024 * 1024));
  t.not(
    answers.get('huge', () => answer(0)),
    huge,
  );
});
