import { Client, type ClientDuplexStream, credentials, type ServiceError } from '@grpc/grpc-js';
import type { Test } from 'tap';
import { CSDS_SERVICE } from '../../src/xds/client-status-service.js';
import { type Message, serviceDefinition } from '../../src/xds/descriptors.js';
import { messages } from '../../src/xds/fields.js';
import { kindOfTypeUrl } from '../../src/xds/resource-types.js';

/** A client of CSDS, whoever serves it. */
export interface CsdsClient {
  once(request: object): Promise<Message>;
  open(): ClientDuplexStream<object, Message>;
}

export function csdsClient(t: Test, address: string): CsdsClient {
  const client = new Client(address, credentials.createInsecure());
  t.teardown(() => client.close());
  const { FetchClientStatus: fetch, StreamClientStatus: stream } = serviceDefinition(CSDS_SERVICE);
  if (fetch === undefined || stream === undefined) throw new Error('no such service');
  return {
    once: (request) =>
      new Promise((resolve, reject) =>
        client.makeUnaryRequest<object, Message>(
          fetch.path,
          fetch.requestSerialize,
          fetch.responseDeserialize,
          request,
          (error: ServiceError | null, value) => (value ? resolve(value) : reject(error)),
        ),
      ),
    open: () =>
      client.makeBidiStreamRequest<object, Message>(
        stream.path,
        stream.requestSerialize,
        stream.responseDeserialize,
      ),
  };
}

/** `cluster shop/cart/v1 SYNCED ACKED`, a line for each resource of the one client; a sidecar tells one status only. */
export function statusLines(response: Message): string[] {
  const [config] = messages(response.config);
  return messages(config?.genericXdsConfigs).map(({ typeUrl, name, configStatus, clientStatus }) =>
    [kindOfTypeUrl(String(typeUrl)), name, configStatus, clientStatus].filter(Boolean).join(' '),
  );
}
