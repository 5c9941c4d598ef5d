import { connect } from 'node:net';

/** The kubelet's default is to wait a second for a probe. */
const WAIT_MS = 900;

/**
 * Whether the app takes connections on a port: on the address that the prober called, or on loopback. Probes of TCP
 * that Kubernetes would make itself arrive at the sidecar, which accepts every connection (docs/injection.md).
 */
export async function appListens(port: number, podAddress: string | undefined): Promise<boolean> {
  const hosts = [...new Set([podAddress ?? '127.0.0.1', '127.0.0.1', '::1'])];
  try {
    await Promise.any(hosts.map((host) => reach(host, port)));
    return true;
  } catch {
    // Each of the addresses refused: that is the answer.
    return false;
  }
}

function reach(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: WAIT_MS });
    const fail = (error?: Error) => {
      socket.destroy();
      reject(error ?? new Error('no answer in time'));
    };
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', fail).once('timeout', () => fail());
  });
}
