import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Test } from 'tap';
import { type Message, packAny, serviceDefinition } from '../../src/xds/descriptors.js';
import { ADS_SERVICE, messageNameOf, type ResourceKind, TYPE_URL } from '../../src/xds/resource-types.js';
import { eventually } from './processes.js';

type Call = ServerDuplexStream<Message, object>;

/** A server of ADS that says exactly what a test tells it to, and shows what it is asked. */
export class ScriptedAdsServer {
  /** Of the present stream. */
  requests: Message[] = [];
  streams = 0;
  private read = 0;
  private call: Call | undefined;

  private constructor(readonly address: { readonly host: string; readonly port: number }) {}

  static async start(t: Test): Promise<ScriptedAdsServer> {
    const server = new Server();
    let scripted: ScriptedAdsServer | undefined;
    const serve = (call: Call) => scripted?.onCall(call);
    const implementation: UntypedServiceImplementation = {
      StreamAggregatedResources: serve,
      DeltaAggregatedResources: serve,
    };
    server.addService(serviceDefinition(ADS_SERVICE), implementation);
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    t.teardown(() => server.forceShutdown());
    scripted = new ScriptedAdsServer({ host: '127.0.0.1', port });
    return scripted;
  }

  /** The next request of this type, answers to responses included. */
  async next(kind: ResourceKind): Promise<Message> {
    let found: Message | undefined;
    await eventually(`a request for ${kind}`, () => {
      while (found === undefined && this.read < this.requests.length) {
        const request = this.requests[this.read++] as Message;
        if (request.typeUrl === TYPE_URL[kind]) found = request;
      }
      return found !== undefined;
    });
    return found as Message;
  }

  /** @param resources packed already, or to be packed as this kind */
  send(kind: ResourceKind, version: string, nonce: string, resources: readonly object[]): void {
    const packed = resources.map((resource) =>
      'typeUrl' in resource ? resource : packAny(messageNameOf(kind), resource),
    );
    this.call?.write({ typeUrl: TYPE_URL[kind], versionInfo: version, nonce, resources: packed });
  }

  /** Ends the present stream. */
  end(): void {
    this.call?.end();
  }

  private onCall(call: Call): void {
    this.call = call;
    this.requests = [];
    this.read = 0;
    this.streams++;
    call.on('data', (request: Message) => this.requests.push(request));
    call.on('error', () => {});
    call.on('end', () => call.end());
  }
}

/** A resource wrapped as it is for a time to live. */
export function wrapped(
  name: string,
  version: string,
  resource?: { kind: ResourceKind; message: object },
): object {
  const inner = resource && packAny(messageNameOf(resource.kind), resource.message);
  return packAny('envoy.service.discovery.v3.Resource', {
    name,
    version,
    ...(inner === undefined ? {} : { resource: inner }),
  });
}

/** Bytes that are no message of any kind. */
export function garbage(kind: ResourceKind): object {
  return { typeUrl: TYPE_URL[kind], value: Buffer.from('ffffffffff', 'hex') };
}
