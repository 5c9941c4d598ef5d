import t from 'tap';
import { mergedLoads } from '../../../../sidecar/discovery/merged-loads.js';
import { endpointLoad as load } from '../../../support/endpoint-load.js';

t.test('what each worker has counted is added; what they count together is taken once', async (t) => {
  const merged = mergedLoads([
    [
      {
        cluster: 'v1',
        endpoints: [
          load('a', { issued: 3, succeeded: 2, failed: 1, latencySumMs: 30, inFlight: 4, pins: 7 }),
        ],
      },
    ],
    [
      {
        cluster: 'v1',
        endpoints: [
          load('a', { issued: 5, succeeded: 5, latencySumMs: 20, inFlight: 4 }),
          load('b', { issued: 1, inFlight: 1 }),
        ],
      },
      { cluster: 'v2', endpoints: [load('c', { failed: 1 })] },
    ],
    [],
  ]);
  t.strictSame(merged, [
    {
      cluster: 'v1',
      endpoints: [
        load('a', { issued: 8, succeeded: 7, failed: 1, latencySumMs: 50, inFlight: 4, pins: 7 }),
        load('b', { issued: 1, inFlight: 1 }),
      ],
    },
    { cluster: 'v2', endpoints: [load('c', { failed: 1 })] },
  ]);
});
