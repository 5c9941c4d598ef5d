import t from 'tap';

/** For tests of sidecars with several workers. */
export const LINUX_ONLY = process.platform === 'linux' ? {} : { skip: 'several workers need Linux' };

/** Runs a file of tests once more, of sidecars with two workers. */
export async function againWithTwoWorkers(run: () => Promise<unknown>): Promise<void> {
  process.env.ROOST_TEST_WORKERS = '2';
  if ('skip' in LINUX_ONLY) await t.test('with two workers', LINUX_ONLY, async () => {});
  else await run();
}
