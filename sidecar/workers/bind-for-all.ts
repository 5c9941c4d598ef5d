import { type SocketAddress, splitHostPort } from '../../src/model/formats.js';
import type { Listener } from '../proxy/listener.js';
import type { Direction } from './messages.js';
import { assertPortsCanBeShared, shareOf, tryPort } from './shared-port.js';
import type { WorkerTeam } from './worker-team.js';

/**
 * Has all workers listen on one address.
 *
 * @param own the main thread's listener
 * @returns the address, port filled in
 * @throws ListenError, OperatorError
 */
export async function bindForAll(
  own: Listener,
  wanted: SocketAddress,
  direction: Direction,
  team: WorkerTeam,
): Promise<string> {
  assertPortsCanBeShared();
  const { what } = own;
  const tried = await tryPort(what, wanted);
  const bound = await own.start(tried, await shareOf(what, tried));
  const address = splitHostPort(bound) as SocketAddress;
  await team.askEach('listen', async () => [direction, { address, sharing: await shareOf(what, address) }]);
  return bound;
}
