import { type Client, Metadata, Server, ServerCredentials } from '@grpc/grpc-js';
import type { Test } from 'tap';
import { roost } from './processes.js';

/** The public gRPC-xDS client as an application uses it, and servers for it to call. */

const METHOD = '/shop.Checkout/Which';
const asIs = (bytes: Buffer) => bytes;

/** Metadata that has a server wait before it answers, in milliseconds. */
export const WAIT = 'x-wait';

/** A gRPC server that answers every call with its name. @returns its address */
export async function startGrpcBackend(t: Test, name: string): Promise<string> {
  const server = new Server();
  const Which = {
    path: METHOD,
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
  server.addService(
    { Which },
    {
      Which: ({ metadata }: { metadata: Metadata }, callback: (error: null, value: Buffer) => void) => {
        const [wait = '0'] = metadata.get(WAIT);
        setTimeout(() => callback(null, Buffer.from(name)), Number(wait));
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  t.teardown(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

/** Makes `xds:///` resolve through this control plane, by the bootstrap that `roost` prints for it. Once for a process: the client reads it once. */
export async function loadXds(controlPlane: string, namespace: string): Promise<void> {
  const args = ['--control-plane', controlPlane, '--service', `app.${namespace}`, '--node', 'a grpc app'];
  const { stdout } = await roost(['bootstrap', 'grpc', ...args]);
  process.env.GRPC_XDS_BOOTSTRAP_CONFIG = stdout;
  const { register } = await import('@grpc/grpc-js-xds');
  register();
}

/** Calls once. @returns the name of the backend that answered */
export function which(client: Client, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + 10_000;
    client.makeUnaryRequest(METHOD, asIs, asIs, Buffer.from(''), metadata, { deadline }, (error, value) =>
      error ? reject(error) : resolve(String(value)),
    );
  });
}
