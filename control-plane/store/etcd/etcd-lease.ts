import type { ServiceError } from '@grpc/grpc-js';
import type { EtcdClient } from './etcd-client.js';
import { LEASE_KEEP_ALIVE } from './etcd-messages.js';

const TIMEOUT_MS = 2000;

/** Renews a lease. @returns whether it was still there @throws EtcdCallError */
export async function keepAlive(client: EtcdClient, lease: number): Promise<boolean> {
  const { stream, endpoint } = await client.open(LEASE_KEEP_ALIVE);
  const timer = setTimeout(() => stream.cancel(), TIMEOUT_MS);
  try {
    return await new Promise<boolean>((resolve, reject) => {
      stream.on('data', ({ TTL }: { TTL: number }) => resolve(TTL > 0));
      stream.on('error', (error: ServiceError) => {
        client.turnFrom(endpoint);
        reject(client.explain(error, endpoint));
      });
      stream.write({ ID: lease });
    });
  } finally {
    clearTimeout(timer);
    stream.cancel();
  }
}
