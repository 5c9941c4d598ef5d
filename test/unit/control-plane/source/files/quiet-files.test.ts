import t from 'tap';
import { Absences } from '../../../../../control-plane/source/files/absences.js';
import { QuietFiles } from '../../../../../control-plane/source/files/quiet-files.js';

t.test('a change is read once it has not changed for a while', async (t) => {
  const quiet = new QuietFiles(1000);
  quiet.read('a');
  t.notOk(quiet.look('a', 0), 'no change');
  t.notOk(quiet.isRestless);
  t.notOk(quiet.look('b', 500));
  t.ok(quiet.isRestless);
  t.notOk(quiet.look('c', 1400), 'it is still being written');
  t.notOk(quiet.look('c', 2300));
  t.ok(quiet.look('c', 2400));
  quiet.read('c');
  t.notOk(quiet.look('c', 2500));
  t.notOk(quiet.isRestless);
});

t.test('a change that is taken back is none', async (t) => {
  const quiet = new QuietFiles(1000);
  quiet.read('a');
  quiet.look('b', 0);
  t.notOk(quiet.look('a', 500));
  t.notOk(quiet.isRestless);
});

t.test('what never comes to rest is read now and then', async (t) => {
  const quiet = new QuietFiles(1000);
  quiet.read('0');
  for (let ms = 100; ms < 10_100; ms += 100) t.notOk(quiet.look(String(ms), ms));
  t.ok(quiet.look('10100', 10_100));
});

t.test('what could not be applied is read again', async (t) => {
  const quiet = new QuietFiles(1000);
  quiet.look('a', 0);
  quiet.read(undefined);
  t.ok(quiet.look('a', 1000));
});

t.test('an absence counts once it has lasted, and each has its own time', async (t) => {
  const absences = new Absences(10_000);
  t.equal(absences.waitMs(0), 0, 'nothing is absent');
  absences.update(['shop/a'], 1000);
  absences.update(['shop/a', 'shop/b'], 5000);
  t.strictSame(absences.keys, ['shop/a', 'shop/b']);
  t.equal(absences.waitMs(5000), 10_000, 'the last one to go counts');
  absences.update(['shop/a'], 6000);
  t.equal(absences.waitMs(6000), 5000, 'the other one is back');
  absences.update(['shop/a'], 10_000);
  t.equal(absences.waitMs(11_000), 0);
  absences.update([], 11_000);
  absences.update(['shop/a'], 12_000);
  t.equal(absences.waitMs(12_000), 10_000, 'what was back begins again');
});
