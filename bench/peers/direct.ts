import type { Peer } from './peer.js';

/** No proxy: what load generator and backends take by themselves, the floor under every latency. */
export const direct: Peer = {
  name: 'no proxy',
  description: 'calls one backend; what is left of latency when there is no proxy',
  remedy: '',
  version: () => '',
  async start({ backends }) {
    const [pod] = backends.pods;
    if (pod === undefined) throw new Error('there is no backend');
    return { proxy: undefined, port: pod.port, tlsPort: pod.tlsPort, stop: async () => {} };
  },
};
