import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import t from 'tap';
import { OUTCOME_TRAILER } from '../../../../src/api/config-service.js';
import { outcomeOf, saysOutcome } from '../../../../src/cli/call-outcome.js';
import { unreached } from '../../../../src/cli/connecting.js';

function failure(code: status, details: string, told?: string): ServiceError {
  const metadata = new Metadata();
  if (told !== undefined) metadata.set(OUTCOME_TRAILER, told);
  return Object.assign(new Error(details), { code, details, metadata });
}

t.test('what a failed call came to', async (t) => {
  const cases: readonly (readonly [ServiceError, string])[] = [
    [
      failure(status.UNAVAILABLE, 'No connection established. Last error: Error: connect ECONNREFUSED'),
      'unreached',
    ],
    [failure(status.UNAVAILABLE, 'Name resolution failed for target dns:nowhere:1'), 'unreached'],
    [failure(status.DEADLINE_EXCEEDED, 'Deadline exceeded after 10.0s,Waiting for LB pick'), 'unreached'],
    [unreached(), 'unreached'],
    [failure(status.UNAVAILABLE, 'Connection dropped'), 'unknown'],
    [failure(status.UNAVAILABLE, 'read ECONNRESET'), 'unknown'],
    [failure(status.DEADLINE_EXCEEDED, 'Deadline exceeded after 10.0s,remote_addr=127.0.0.1:1'), 'unknown'],
    [failure(status.INTERNAL, 'Received RST_STREAM with code 2'), 'unknown'],
    [failure(status.CANCELLED, 'Call cancelled'), 'unknown'],
    [failure(status.DEADLINE_EXCEEDED, 'etcd was sent the change', 'unknown'), 'unknown'],
    [failure(status.UNAVAILABLE, 'etcd does not take it', 'not-made'), 'unavailable'],
    [failure(status.INTERNAL, 'ENOSPC', 'not-made'), 'refused'],
    [failure(status.ABORTED, 'expected at revision 1', 'not-made'), 'refused'],
    [failure(status.UNAUTHENTICATED, 'credentials are needed'), 'refused'],
    [failure(status.RESOURCE_EXHAUSTED, 'too many calls'), 'refused'],
  ];
  for (const [error, outcome] of cases) t.equal(outcomeOf(error), outcome, `${error.code} ${error.message}`);
});

t.test('only a control plane itself says what became of a change', async (t) => {
  t.equal(saysOutcome(failure(status.ABORTED, 'x', 'not-made')), true);
  t.equal(saysOutcome(failure(status.UNAUTHENTICATED, 'x')), false);
});
