import { type Client, type ClientReadableStream, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { type ChannelSecurity, INSECURE } from '../access/channel-security.js';
import { connectionCause, explainTlsFailure } from '../access/connection-failure.js';
import {
  ACTOR_METADATA,
  configServiceConstructor,
  loadApiDefinition,
  PROBLEMS_TRAILER,
  type ProblemsMessage,
  problemsCodec,
} from '../api/config-service.js';
import type { SocketAddress } from '../model/formats.js';
import { formatAddress } from '../xds/fields.js';
import { CommandError, EXIT } from './exit.js';
import { RejectedDocumentsError } from './rejected-documents.js';

/** Time for one call; changes are acknowledged within milliseconds, so a longer silence is a dead end. */
const CALL_TIMEOUT_MS = 10_000;
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

type UnaryMethod = (
  request: object,
  metadata: Metadata,
  options: object,
  callback: (error: ServiceError | null, response: unknown) => void,
) => void;
type StreamMethod = (request: object, options: object) => ClientReadableStream<unknown>;

/** A connection to the configuration API. */
export class ControlPlaneClient {
  private readonly client: Client;
  private readonly definition: PackageDefinition;

  /** @param actor who makes the changes, for the audit trail; empty: not said */
  constructor(
    private readonly address: SocketAddress,
    private readonly actor = '',
    private readonly security: ChannelSecurity = INSECURE,
  ) {
    this.definition = loadApiDefinition();
    const Constructor = configServiceConstructor(this.definition);
    this.client = new Constructor(formatAddress(address.host, address.port), security.credentials, {
      interceptors: security.interceptors,
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.enable_channelz': 0,
    });
  }

  /** @throws CommandError in the user's words, RejectedDocumentsError */
  call<Response>(method: string, request: object): Promise<Response> {
    const unary = this.method<UnaryMethod>(method);
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + CALL_TIMEOUT_MS };
      unary.call(this.client, request, this.metadata(), options, (error, response) => {
        if (error) reject(this.explain(error));
        else resolve(response as Response);
      });
    });
  }

  /**
   * The messages of a server-streaming call, until it ends.
   *
   * @param timeoutMs after which it counts as dead; 0: never
   */
  async *stream<Event>(method: string, request: object, timeoutMs = 0): AsyncGenerator<Event> {
    const options = timeoutMs === 0 ? {} : { deadline: Date.now() + timeoutMs };
    const call = this.method<StreamMethod>(method).call(this.client, request, options);
    try {
      for await (const event of call) yield event as Event;
    } catch (error) {
      throw this.explain(error as ServiceError);
    } finally {
      call.cancel();
    }
  }

  close(): void {
    this.client.close();
  }

  private metadata(): Metadata {
    const metadata = new Metadata();
    if (this.actor !== '') metadata.set(ACTOR_METADATA, Buffer.from(this.actor));
    return metadata;
  }

  private method<T>(name: string): T {
    return (this.client as unknown as Record<string, T>)[name] as T;
  }

  private explain(error: ServiceError): Error {
    const address = formatAddress(this.address.host, this.address.port);
    switch (error.code) {
      case status.UNAVAILABLE:
      case status.DEADLINE_EXCEEDED:
        return new CommandError(
          explainTlsFailure(error, this.address, this.security, '--ca') ??
            `the control plane at ${address} does not answer (${connectionCause(error)}); is it running there? ` +
              'Name another with --control-plane HOST:PORT or ROOST_CONTROL_PLANE',
        );
      case status.UNAUTHENTICATED:
        return new CommandError(
          `the control plane does not let you in: ${error.details}; ` +
            `${this.security.hasToken ? 'look at' : 'give a token with'} --token-file or ROOST_TOKEN`,
        );
      case status.INVALID_ARGUMENT:
        return this.problemsOf(error) ?? new CommandError(error.details, EXIT.usage);
      case status.UNIMPLEMENTED:
        return new CommandError(
          `what answers at ${address} is no Roost control plane, or an older one (${error.details})`,
        );
      case status.INTERNAL:
      case status.UNKNOWN:
        return new CommandError(`the control plane at ${address} failed: ${error.details}`);
      default:
        return new CommandError(error.details);
    }
  }

  private problemsOf(error: ServiceError): RejectedDocumentsError | undefined {
    const [bytes] = error.metadata?.get(PROBLEMS_TRAILER) ?? [];
    if (!Buffer.isBuffer(bytes)) return undefined;
    const { problems, more } = problemsCodec(this.definition).deserialize(bytes) as ProblemsMessage;
    return new RejectedDocumentsError(
      problems.map(({ document, path, message }) => ({
        document,
        path: JSON.parse(path) as (string | number)[],
        message,
      })),
      more,
    );
  }
}
