import { fileURLToPath } from 'node:url';
import { freePorts } from '../free-ports.js';
import type { Peer, PeerContext, StartedPeer } from './peer.js';

const PROGRAM = fileURLToPath(new URL('./node-undici-program.js', import.meta.url));

/** What a Node proxy costs when it is made of the usual parts. */
export const nodeUndici: Peer = {
  name: 'node+undici',
  description: 'a proxy of `node:http` and undici’s `Pool.dispatch`, with counters and a histogram',
  remedy: '',
  version: () => process.versions.node,
  start,
};

async function start({ processes, backends, proxyCores }: PeerContext): Promise<StartedPeer> {
  const [port, second] = (await freePorts(2)) as [number, number];
  const tlsPort = backends.certificate ? second : undefined;
  const task = JSON.stringify({ port, tlsPort, backends });
  const options = { name: 'node+undici', cores: proxyCores };
  const proxy = processes.start(process.execPath, [PROGRAM, task], options);
  await proxy.listening(port);
  return { proxy, port, tlsPort, stop: () => processes.stop(proxy) };
}
