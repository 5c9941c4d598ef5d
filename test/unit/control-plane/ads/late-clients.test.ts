import t from 'tap';
import { LATE_AFTER_MS, UnsettledClients } from '../../../../control-plane/ads/late-clients.js';

/** A client that has answered up to a revision, and owes an answer since then. */
class Client {
  isConnected = true;

  constructor(
    public revision: number,
    public unansweredSinceMs: number | undefined,
  ) {}

  settled(revision: number): boolean {
    return this.revision >= revision;
  }
}

const NOW_MS = 100_000;

function waitFor(clients: readonly Client[]): UnsettledClients<Client> {
  return new UnsettledClients(
    { streams: clients, isConnected: ({ isConnected }: Client) => isConnected },
    2,
    NOW_MS,
  );
}

t.test('a client that was late before the wait is counted, and holds nobody up', async (t) => {
  const silent = new Client(1, NOW_MS - LATE_AFTER_MS);
  const slow = new Client(1, NOW_MS - LATE_AFTER_MS + 1);
  const quick = new Client(2, undefined);
  const wait = waitFor([silent, slow, quick]);
  t.same([wait.size, wait.isDone], [2, false]);
  t.same(
    [...wait],
    [
      { stream: slow, lateBefore: false },
      { stream: silent, lateBefore: true },
    ],
  );
  slow.revision = 2;
  wait.look(slow);
  t.same([wait.size, wait.isDone], [1, true], 'done, and one has it not');
  wait.look(silent);
  t.equal(wait.isDone, true, 'a word of it that settles nothing is not waited for either');
  silent.revision = 2;
  wait.look(silent);
  t.equal(wait.size, 0);
});

t.test('a client that becomes late while it is waited for goes on being waited for', async (t) => {
  const client = new Client(1, NOW_MS - 1000);
  const wait = waitFor([client]);
  client.unansweredSinceMs = NOW_MS - 10 * LATE_AFTER_MS;
  wait.look(client);
  t.equal(wait.isDone, false);
});

t.test('a client that leaves, late or not, is not missed; one that comes is waited for', async (t) => {
  const silent = new Client(1, 0);
  const slow = new Client(1, undefined);
  const wait = waitFor([silent, slow]);
  for (const client of [silent, slow]) {
    client.isConnected = false;
    wait.look(client);
  }
  t.same([wait.size, wait.isDone], [0, true]);
  wait.look(new Client(1, undefined));
  t.same([wait.size, wait.isDone], [1, false]);
});

t.test('late clients that have the revision are not unsettled', async (t) => {
  t.equal(waitFor([new Client(2, 0)]).size, 0);
});
