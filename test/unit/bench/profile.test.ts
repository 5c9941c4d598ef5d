import t from 'tap';
import { type CpuProfile, selfTimes } from '../../../bench/profile.js';

const frame = (functionName: string, url = '', lineNumber = 0) => ({ functionName, url, lineNumber });
const profile: CpuProfile = {
  startTime: 1000,
  nodes: [
    { id: 1, callFrame: frame('(idle)') },
    { id: 2, callFrame: frame('parse', 'file:///srv/x/dist/sidecar/http1/header-block.js', 9) },
    { id: 3, callFrame: frame('parse', 'file:///srv/x/dist/sidecar/http1/header-block.js', 9) },
    { id: 4, callFrame: frame('write') },
    { id: 5, callFrame: frame('', 'node:net', 0) },
  ],
  samples: [2, 1, 3, 4, 5, 4],
  timeDeltas: [0, 100, 100, 100, 100, 100],
};
const ALL = { fromUs: 0, toUs: 1e9 };

t.test('adds up a function over all the stacks it was on top of, and leaves idle time out', async (t) => {
  const { functions, busyUs } = selfTimes(profile, ALL);
  t.equal(busyUs, 400);
  t.same(functions, [
    { name: 'parse', where: 'sidecar/http1/header-block.js:10', selfUs: 200 },
    { name: 'write', where: 'native', selfUs: 100 },
    { name: '(anonymous)', where: 'node:net:1', selfUs: 100 },
  ]);
});

t.test('counts only what happened in the window asked for', async (t) => {
  const { functions } = selfTimes(profile, { fromUs: 1250, toUs: 1350 });
  t.same(
    functions.map(({ name }) => name),
    ['write'],
  );
});
