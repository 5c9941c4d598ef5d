import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import type { Test } from 'tap';
import { type Message, packAny, serviceDefinition } from '../../src/xds/descriptors.js';
import { text } from '../../src/xds/fields.js';
import {
  ADS_SERVICE,
  kindOfTypeUrl,
  messageNameOf,
  type ResourceKind,
  TYPE_URL,
} from '../../src/xds/resource-types.js';

/** Resources by kind and name, as plain messages. */
export type PlainResources = Readonly<Record<ResourceKind, Readonly<Record<string, object>>>>;

/** A control plane that is not ours: serves fixed resources by delta ADS, and knows nothing of our payload. */
export class PlainAdsServer {
  /** What clients refused; of each the node's id, where it has told it, and the reason. */
  readonly rejections: string[] = [];
  private readonly streams = new Set<ServerDuplexStream<Message, object>>();
  private nonce = 0;

  private constructor(
    private resources: PlainResources,
    readonly address: string,
  ) {}

  static async start(t: Test, resources: PlainResources): Promise<PlainAdsServer> {
    const server = new Server();
    let own: PlainAdsServer | undefined;
    server.addService(serviceDefinition(ADS_SERVICE), {
      DeltaAggregatedResources: (stream: ServerDuplexStream<Message, object>) => own?.serve(stream),
      StreamAggregatedResources: (stream: ServerDuplexStream<Message, object>) => stream.end(),
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    t.teardown(() => server.forceShutdown());
    own = new PlainAdsServer(resources, `127.0.0.1:${port}`);
    return own;
  }

  /** Replaces one resource, for every client. */
  replace(kind: ResourceKind, name: string, resource: object): void {
    this.resources = { ...this.resources, [kind]: { ...this.resources[kind], [name]: resource } };
    for (const stream of this.streams) this.send(stream, kind, [name]);
  }

  private serve(stream: ServerDuplexStream<Message, object>): void {
    this.streams.add(stream);
    const heard = new Set<ResourceKind>();
    stream.on('data', (request: Message) => {
      const kind = kindOfTypeUrl(text(request.typeUrl));
      if (request.errorDetail) this.rejections.push(text((request.errorDetail as Message).message));
      if (kind === undefined) return;
      const asked = request.resourceNamesSubscribe as string[];
      // The older form of the wildcard, which Envoy has: a first request without names.
      const first = !heard.has(kind);
      heard.add(kind);
      const all = asked.includes('*') || (first && asked.length === 0);
      const names = all ? Object.keys(this.resources[kind]) : asked;
      if (names.length > 0) this.send(stream, kind, names);
    });
    stream.on('error', () => this.streams.delete(stream));
    stream.on('end', () => stream.end());
  }

  private send(stream: ServerDuplexStream<Message, object>, kind: ResourceKind, names: string[]): void {
    const nonce = String(++this.nonce);
    const known = names.filter((name) => this.resources[kind][name] !== undefined);
    stream.write({
      typeUrl: TYPE_URL[kind],
      nonce,
      resources: known.map((name) => ({
        name,
        version: nonce,
        resource: packAny(messageNameOf(kind), this.resources[kind][name] as object),
      })),
      removedResources: names.filter((name) => !known.includes(name)),
    });
  }
}
