import t from 'tap';
import {
  applyChange,
  type Change,
  type ConfigState,
  emptyState,
} from '../../../../control-plane/store/config-state.js';
import {
  changesOf,
  historyOf,
  MAX_BYTES,
  MAX_ENTRIES,
  pastAt,
} from '../../../../control-plane/store/history.js';
import type { MeshServiceInput } from '../../../../src/model/schema.js';

const ANN = { origin: 'api', name: 'ann', peer: '10.0.0.3' } as const;
const EMPTY = emptyState(Buffer.alloc(32));
const documentOf = (note: string) => ({ note }) as unknown as MeshServiceInput;

function change(
  revision: number,
  put: Readonly<Record<string, string>>,
  deleted: readonly string[] = [],
): Change {
  return {
    revision,
    at: `2026-01-01T00:00:${String(revision % 60).padStart(2, '0')}Z`,
    action: 'apply',
    by: ANN,
    put: Object.entries(put).map(([key, note]) => [
      key as `${string}/${string}`,
      { document: documentOf(note), revision, born: {} },
    ]),
    deleted: deleted as `${string}/${string}`[],
  };
}

function after(...changes: readonly Change[]): ConfigState {
  return changes.reduce(applyChange, EMPTY);
}

t.test('each change is told with what was there before and after it, newest first', async (t) => {
  const state = after(
    change(1, { 'shop/a': 'a1', 'shop/b': 'b1' }),
    change(2, { 'shop/a': 'a2' }),
    change(3, {}, ['shop/a']),
    change(4, { 'shop/a': 'a4' }),
  );
  const told = changesOf(state, 'shop/a').map(({ revision, before, after: left }) => [
    revision,
    before,
    left,
  ]);
  t.same(told, [
    [4, null, documentOf('a4')],
    [3, { document: documentOf('a2'), revision: 2 }, null],
    [2, { document: documentOf('a1'), revision: 1 }, documentOf('a2')],
    [1, null, documentOf('a1')],
  ]);
  t.match(changesOf(state)[0], { key: 'shop/a', action: 'apply', by: ANN, at: '2026-01-01T00:00:04Z' });
  t.equal(changesOf(state).length, 5);
  t.same(changesOf(state, 'shop/c'), []);
});

t.test('a document is known at every revision that the history reaches', async (t) => {
  const state = after(
    change(1, { 'shop/a': 'a1' }),
    change(2, { 'shop/b': 'b2' }),
    change(3, { 'shop/a': 'a3' }),
    change(4, {}, ['shop/a']),
    change(5, { 'shop/a': 'a5' }),
  );
  const notes = [0, 1, 2, 3, 4, 5, 9].map((revision) => pastAt(state, 'shop/a', revision)?.document);
  t.same(
    notes,
    [undefined, 'a1', 'a1', 'a3', undefined, 'a5', 'a5'].map((note) => note && documentOf(note)),
  );
});

t.test('a record that only moved to another file is no change', async (t) => {
  const state = after(change(1, { 'shop/a': 'a1' }));
  const moved: Change = { ...change(2, {}), put: [...state.services] };
  t.equal(applyChange(state, moved).history, state.history);
});

t.test('the oldest changes give way, by number and by size, and the newest one never', async (t) => {
  let state = EMPTY;
  for (let revision = 1; revision <= MAX_ENTRIES + 5; revision++)
    state = applyChange(state, change(revision, { 'shop/a': String(revision) }));
  t.equal(state.history.entries.length, MAX_ENTRIES);
  t.equal(state.history.entries[0]?.revision, 6);
  t.equal(pastAt(state, 'shop/a', 3), undefined);
  t.same(pastAt(state, 'shop/a', 5)?.document, documentOf('5'), 'the oldest entry knows what was before it');
  t.same(historyOf(state.history.entries), state.history, 'sums are right after giving way');

  const third = 'x'.repeat(MAX_BYTES / 3);
  let large = after(change(1, { 'shop/a': third }));
  for (let revision = 2; revision <= 6; revision++)
    large = applyChange(large, change(revision, { 'shop/a': third }));
  t.same(
    large.history.entries.map(({ revision }) => revision),
    [5, 6],
  );
  t.ok(large.history.bytes <= MAX_BYTES);
  const huge = after(change(1, { 'shop/a': third.repeat(4) }), change(2, { 'shop/a': 'small' }));
  t.same(
    huge.history.entries.map(({ revision }) => revision),
    [2],
  );
});
