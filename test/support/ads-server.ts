import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Test } from 'tap';
import { type Message, packAny, serviceDefinition } from '../../src/xds/descriptors.js';
import { toDuration } from '../../src/xds/fields.js';
import { ADS_SERVICE, messageNameOf, type ResourceKind, TYPE_URL } from '../../src/xds/resource-types.js';
import { eventually } from './processes.js';

type Call = ServerDuplexStream<Message, object>;

/** A server of ADS that says exactly what a test tells it to, and shows what it is asked. */
export class ScriptedAdsServer {
  /** Of the present stream. */
  requests: Message[] = [];
  streams = 0;
  /** Of the present stream. */
  protocol: 'delta' | 'sotw' = 'delta';
  private read = 0;
  private call: Call | undefined;

  private constructor(
    readonly address: { readonly host: string; readonly port: number },
    readonly stop: () => void,
  ) {}

  static async start(t: Test): Promise<ScriptedAdsServer> {
    const server = new Server();
    let scripted: ScriptedAdsServer | undefined;
    const implementation: UntypedServiceImplementation = {
      StreamAggregatedResources: (call: Call) => scripted?.onCall(call, 'sotw'),
      DeltaAggregatedResources: (call: Call) => scripted?.onCall(call, 'delta'),
    };
    server.addService(serviceDefinition(ADS_SERVICE), implementation);
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    t.teardown(() => server.forceShutdown());
    scripted = new ScriptedAdsServer({ host: '127.0.0.1', port }, () => server.forceShutdown());
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

  /** The answer to a response. */
  async answer(kind: ResourceKind, nonce: string): Promise<Message> {
    for (;;) {
      const request = await this.next(kind);
      if (request.responseNonce === nonce) return request;
    }
  }

  /** @param resources packed already, or to be packed as this kind */
  send(kind: ResourceKind, version: string, nonce: string, resources: readonly object[]): void {
    const packed = resources.map((resource) =>
      'typeUrl' in resource ? resource : packAny(messageNameOf(kind), resource),
    );
    this.call?.write({ typeUrl: TYPE_URL[kind], versionInfo: version, nonce, resources: packed });
  }

  /** In either protocol. @param entries as {@link entry} makes them; `removed` in delta only */
  say(kind: ResourceKind, nonce: string, entries: readonly object[], removed: readonly string[] = []): void {
    const isDelta = this.protocol === 'delta';
    const resources = isDelta ? entries : entries.map((each) => packAny(WRAPPER_TYPE, each));
    const version = isDelta ? {} : { versionInfo: nonce };
    this.call?.write({ typeUrl: TYPE_URL[kind], nonce, ...version, resources, removedResources: removed });
  }

  /** Anything at all. */
  write(response: object): void {
    this.call?.write(response);
  }

  /** Ends the present stream. */
  end(): void {
    this.call?.end();
  }

  private onCall(call: Call, protocol: 'delta' | 'sotw'): void {
    this.call = call;
    this.protocol = protocol;
    this.requests = [];
    this.read = 0;
    this.streams++;
    call.on('data', (request: Message) => this.requests.push(request));
    call.on('error', () => {});
    call.on('end', () => call.end());
  }
}

const WRAPPER_TYPE = 'envoy.service.discovery.v3.Resource';

/** A resource wrapped as it is for a time to live. */
export function wrapped(
  name: string,
  version: string,
  resource?: { kind: ResourceKind; message: object },
): object {
  return packAny(WRAPPER_TYPE, entry(name, version, resource));
}

/**
 * One entry of a response, in the form that delta has and that state of the world wraps.
 *
 * @param resource undefined: a heartbeat
 */
export function entry(
  name: string,
  version: string,
  resource?: { kind: ResourceKind; message: object },
  ttlMs?: number,
): object {
  const inner = resource && packAny(messageNameOf(resource.kind), resource.message);
  return {
    name,
    version,
    ...(inner === undefined ? {} : { resource: inner }),
    ...(ttlMs === undefined ? {} : { ttl: toDuration(ttlMs) }),
  };
}

/** Bytes that are no message of any kind. */
export function garbage(kind: ResourceKind): object {
  return { typeUrl: TYPE_URL[kind], value: Buffer.from('ffffffffff', 'hex') };
}
