import t from 'tap';
import {
  allowanceMs,
  CALL_TIMEOUT_MS,
  restoreTimeoutMs,
  sizeOf,
  whileShown,
} from '../../../../src/cli/large-change.js';
import { checkout, labelled } from '../../../support/shop.js';

t.test('a larger change has more time', async (t) => {
  const small = checkout({ pods: { v1: 2, v2: 1 }, routes: [labelled('v2')] });
  t.equal(sizeOf([small]), 1 + 2 + 3);
  t.equal(sizeOf([small, small]), 12);
  t.equal(allowanceMs(0), CALL_TIMEOUT_MS);
  const large = Array.from({ length: 1000 }, () =>
    checkout({ routes: Array.from({ length: 20 }, () => ({})) }),
  );
  t.ok(allowanceMs(sizeOf(large)) > 60_000);
  t.ok(restoreTimeoutMs(1_000_000) > 60_000);
});

t.test('documents that are none have a size as well', async (t) => {
  for (const document of [
    null,
    7,
    'text',
    [],
    {},
    { spec: 1 },
    { spec: { routes: 'none', versions: [null] } },
  ])
    t.equal(sizeOf([document]), 1);
});

t.test('what is waited for comes through, and so does its failure', async (t) => {
  t.equal(await whileShown('waiting', Promise.resolve(7)), 7);
  await t.rejects(whileShown('waiting', Promise.reject(new Error('no'))), { message: 'no' });
});
