import type { AwaitProgress, RejectionMessage } from '../api/config-service.js';
import type { ControlPlaneClient } from './client.js';
import { CommandError, EXIT } from './exit.js';
import { Progress } from './terminal.js';

/** How much later than it was told to the control plane may answer. */
const GRACE_MS = 5000;

/**
 * Waits until every connected client runs a revision, showing how far that is.
 *
 * @returns what to tell the user.
 * @throws CommandError when a client refused it, or the time was up.
 */
export async function awaitClients(
  client: ControlPlaneClient,
  revision: number,
  timeoutMs: number,
): Promise<string> {
  const last = await lastProgress(client, revision, timeoutMs);
  if (last.rejections.length > 0) throw rejected(last);
  if (!last.done) {
    throw new CommandError(
      `stored as revision ${revision}, but after ${timeoutMs / 1000} s only ${last.settled} of ${last.connected} clients have it; see "roost status"`,
    );
  }
  return last.connected === 0 ? 'no client is connected' : `in force on ${count(last.connected, 'client')}`;
}

/** Asks one control plane after the other, as long as the answer breaks off. */
async function lastProgress(
  client: ControlPlaneClient,
  revision: number,
  timeoutMs: number,
): Promise<AwaitProgress> {
  const deadline = performance.now() + timeoutMs;
  for (let attempts = 1; ; attempts++) {
    try {
      return await followProgress(client, revision, Math.max(1, Math.round(deadline - performance.now())));
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      if (attempts < client.size) continue;
      throw new CommandError(
        `stored as revision ${revision}, but whether clients have it is not known: ${error.message}`,
      );
    }
  }
}

async function followProgress(
  client: ControlPlaneClient,
  revision: number,
  timeoutMs: number,
): Promise<AwaitProgress> {
  const progress = new Progress();
  let last: AwaitProgress = { connected: 0, settled: 0, rejections: [], done: true };
  try {
    for await (const event of client.stream<AwaitProgress>(
      'Await',
      { revision, timeoutMs },
      timeoutMs + GRACE_MS,
    )) {
      last = event;
      progress.update(`waiting for sidecars: ${event.settled} of ${event.connected} have it`);
    }
  } finally {
    progress.end();
  }
  return last;
}

function rejected({ rejections, connected }: AwaitProgress): CommandError {
  const clients = new Set(rejections.map(({ client }) => client)).size;
  const lines = rejections.map(
    ({ client, type, reason }: RejectionMessage) => `${client}: ${type}: ${reason}`,
  );
  return new CommandError(
    `stored, but ${clients} of ${count(connected, 'client')} rejected it and run what they had`,
    EXIT.refused,
    lines,
  );
}

export function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
