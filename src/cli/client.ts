import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { type Client, type ClientReadableStream, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { type ChannelSecurity, INSECURE } from '../access/channel-security.js';
import { connectionCause, explainTlsFailure, isLasting } from '../access/connection-failure.js';
import {
  ACTOR_METADATA,
  configServiceConstructor,
  loadApiDefinition,
  PROBLEMS_TRAILER,
  type ProblemsMessage,
  problemsCodec,
  REQUEST_ID_METADATA,
} from '../api/config-service.js';
import type { SocketAddress } from '../model/formats.js';
import { formatAddress, isLoopback } from '../net/ip-address.js';
import { outcomeOf, saysOutcome } from './call-outcome.js';
import { isSettled, unreached } from './connecting.js';
import { CommandError, ConnectionError, EXIT } from './exit.js';
import { CALL_TIMEOUT_MS } from './large-change.js';
import { RejectedDocumentsError } from './rejected-documents.js';

/** Time for a connection, where there are others to try. */
const CONNECT_TIMEOUT_MS = 2000;
/** How long it is asked what became of a change whose answer was lost. */
const RESOLVE_MS = 15_000;
const PAUSE_MS = 250;
/** A connection that failed is tried again after so long: commands are short. */
const RECONNECT_MS = { first: 100, max: 500 } as const;
/** A control plane that does not answer a ping is taken for dead: what waits for it asks another, or again. */
const KEEPALIVE_MS = { time: 5000, timeout: 15_000 } as const;
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** Calls that change something: asked again under their own name, they are not done twice. */
const CHANGES: ReadonlySet<string> = new Set([
  'Apply',
  'Delete',
  'Split',
  'Promote',
  'Abort',
  'Undo',
  'Restore',
]);

/** A control plane to talk to. */
export interface ControlPlaneTarget {
  readonly address: SocketAddress;
  readonly security: ChannelSecurity;
}

export interface ClientOptions {
  /** Control planes over the same store, for when the first does not answer; in this order. */
  readonly others?: readonly ControlPlaneTarget[];
  /** How long it is asked what became of a change whose answer was lost, in milliseconds. */
  readonly resolveMs?: number;
  /** How long a control plane that is not there, or not yet, is tried, in milliseconds; 0: once. */
  readonly connectMs?: number;
  /** Told once when a control plane is waited for: where. */
  readonly onWaiting?: (address: string) => void;
}

type UnaryMethod = (
  request: object,
  metadata: Metadata,
  options: object,
  callback: (error: ServiceError | null, response: unknown) => void,
) => void;
type StreamMethod = (request: object, options: object) => ClientReadableStream<unknown>;

interface Connection extends ControlPlaneTarget {
  readonly client: Client;
  /** It has answered a call. */
  hasAnswered: boolean;
}

/** A connection to the configuration API of one of several control planes: the first that answers. */
export class ControlPlaneClient {
  private readonly connections: readonly Connection[];
  private readonly definition: PackageDefinition;
  private readonly resolveMs: number;
  private readonly connectMs: number;
  private readonly onWaiting: (address: string) => void;
  /** For a time, none of the control planes was there, or one went away during a change. */
  wasAway = false;
  private hasToldWaiting = false;
  private current = 0;

  /** @param actor who makes the changes, for the audit trail; empty: not said */
  constructor(
    address: SocketAddress,
    private readonly actor = '',
    security: ChannelSecurity = INSECURE,
    { others = [], resolveMs = RESOLVE_MS, connectMs = 0, onWaiting = () => {} }: ClientOptions = {},
  ) {
    this.definition = loadApiDefinition();
    this.resolveMs = resolveMs;
    this.connectMs = connectMs;
    this.onWaiting = onWaiting;
    const Constructor = configServiceConstructor(this.definition);
    this.connections = [{ address, security }, ...others].map((target) => ({
      ...target,
      hasAnswered: false,
      client: new Constructor(
        formatAddress(target.address.host, target.address.port),
        target.security.credentials,
        {
          interceptors: target.security.interceptors,
          'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
          'grpc.enable_channelz': 0,
          // A shell in which apps' calls are led to a sidecar has a proxy for them, and not for this.
          'grpc.enable_http_proxy': isLoopback(target.address.host) ? 0 : 1,
          'grpc.initial_reconnect_backoff_ms': RECONNECT_MS.first,
          'grpc.max_reconnect_backoff_ms': RECONNECT_MS.max,
          'grpc.dns_min_time_between_resolutions_ms': RECONNECT_MS.max,
          'grpc.keepalive_time_ms': KEEPALIVE_MS.time,
          'grpc.keepalive_timeout_ms': KEEPALIVE_MS.timeout,
        },
      ),
    }));
  }

  /**
   * Calls a method. A control plane that is not there is tried for a time. A change whose answer was lost is asked
   * for again, under the same name, until it is known what became of it.
   *
   * @param timeoutMs for one attempt
   * @throws CommandError in the user's words, RejectedDocumentsError
   */
  async call<Response>(method: string, request: object, timeoutMs = CALL_TIMEOUT_MS): Promise<Response> {
    const isChange = CHANGES.has(method);
    const metadata = this.metadata(isChange);
    /** Since when it has failed in the way that it does now. */
    let since = performance.now();
    /** The failure after which it is not known whether the change was made. */
    let doubt: ServiceError | undefined;
    for (let failures = 1; ; failures++) {
      try {
        return await this.attempt<Response>(method, request, { metadata, timeoutMs });
      } catch (error) {
        const failure = error as ServiceError;
        const outcome = outcomeOf(failure);
        const explained = this.explain(failure);
        if (outcome === 'refused')
          throw doubt !== undefined && !saysOutcome(failure) ? unknownOutcome(doubt) : explained;
        if (outcome === 'unknown' && isChange) {
          // What became of a large change is asked after it has had its time.
          if (doubt === undefined) since = performance.now();
          doubt = failure;
          this.wasAway = true;
        }
        const patienceMs = doubt === undefined ? this.patienceMs(failure, isChange) : this.resolveMs;
        const allFailed = failures >= this.connections.length;
        if ((allFailed || doubt !== undefined) && performance.now() >= since + patienceMs)
          throw doubt === undefined ? explained : unknownOutcome(doubt);
        if (allFailed && doubt === undefined) this.noteWaiting();
        this.turn();
        if (allFailed) await wait(PAUSE_MS);
      }
    }
  }

  /**
   * The messages of a server-streaming call, until it ends.
   *
   * @param timeoutMs after which it counts as dead; 0: never
   * @throws ConnectionError where the next attempt, at the next address, may succeed; else CommandError
   */
  async *stream<Event>(method: string, request: object, timeoutMs = 0): AsyncGenerator<Event> {
    const { connection } = this;
    if (!(await this.isReachable())) {
      const failure = this.explain(unreached());
      this.turn();
      throw failure;
    }
    const options = timeoutMs === 0 ? {} : { deadline: Date.now() + timeoutMs };
    const call = this.method<StreamMethod>(method).call(connection.client, request, options);
    try {
      for await (const event of call) {
        connection.hasAnswered = true;
        yield event as Event;
      }
    } catch (error) {
      const explained = this.explain(error as ServiceError);
      this.turn();
      throw explained;
    } finally {
      call.cancel();
    }
  }

  /** How many control planes there are to talk to. */
  get size(): number {
    return this.connections.length;
  }

  close(): void {
    for (const { client } of this.connections) client.close();
  }

  private get connection(): Connection {
    return this.connections[this.current] as Connection;
  }

  private turn(): void {
    this.current = (this.current + 1) % this.connections.length;
  }

  /** Where there are others, one that does not even answer the connection is not waited for. */
  private async isReachable(): Promise<boolean> {
    return this.size === 1 || (await isSettled(this.connection.client, CONNECT_TIMEOUT_MS));
  }

  /** How long it is tried again after a failure that left nothing changed. */
  private patienceMs(failure: ServiceError, isChange: boolean): number {
    const outcome = outcomeOf(failure);
    const mayCome = outcome === 'unreached' || (outcome === 'unknown' && !isChange);
    const { security } = this.connection;
    return mayCome && !isLasting(failure, security) ? this.connectMs : 0;
  }

  private noteWaiting(): void {
    if (this.hasToldWaiting) return;
    this.hasToldWaiting = true;
    this.wasAway = true;
    this.onWaiting(
      this.connections.map(({ address: { host, port } }) => formatAddress(host, port)).join(', '),
    );
  }

  private async attempt<Response>(
    method: string,
    request: object,
    { metadata, timeoutMs }: { readonly metadata: Metadata; readonly timeoutMs: number },
  ): Promise<Response> {
    const { connection } = this;
    if (!(await this.isReachable())) throw unreached();
    const unary = this.method<UnaryMethod>(method);
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + timeoutMs };
      unary.call(connection.client, request, metadata, options, (error, response) => {
        if (error) return reject(error);
        connection.hasAnswered = true;
        resolve(response as Response);
      });
    });
  }

  private metadata(isChange: boolean): Metadata {
    const metadata = new Metadata();
    if (this.actor !== '') metadata.set(ACTOR_METADATA, Buffer.from(this.actor));
    if (isChange) metadata.set(REQUEST_ID_METADATA, randomUUID());
    return metadata;
  }

  private method<T>(name: string): T {
    return (this.connection.client as unknown as Record<string, T>)[name] as T;
  }

  private explain(error: ServiceError): Error {
    const { address: at, security, hasAnswered } = this.connection;
    const address = formatAddress(at.host, at.port);
    if (outcomeOf(error) === 'unavailable')
      return new CommandError(`nothing was changed: ${connectionCause(error)} (control plane ${address})`);
    switch (error.code) {
      case status.UNAVAILABLE:
      case status.DEADLINE_EXCEEDED:
        return new ConnectionError(
          // Where it has answered before, TLS is not what is wrong.
          (hasAnswered ? undefined : explainTlsFailure(error, at, security, '--ca')) ??
            `the control plane at ${address} does not answer (${connectionCause(error)}); is it running there? ` +
              'Name another with --control-plane HOST:PORT or ROOST_CONTROL_PLANE',
        );
      case status.UNAUTHENTICATED:
        return new CommandError(
          `the control plane does not let you in: ${connectionCause(error)}; ` +
            `${security.hasToken ? 'look at' : 'give a token with'} --token-file or ROOST_TOKEN`,
        );
      case status.INVALID_ARGUMENT:
        return this.problemsOf(error) ?? new CommandError(error.details, EXIT.usage);
      case status.UNIMPLEMENTED:
        return new CommandError(
          `what answers at ${address} is no Roost control plane, or an older one (${connectionCause(error)})`,
        );
      case status.INTERNAL:
      case status.UNKNOWN:
      case status.CANCELLED:
        return new ConnectionError(`the control plane at ${address} failed: ${connectionCause(error)}`);
      default:
        return new CommandError(connectionCause(error));
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

function unknownOutcome(failure: ServiceError): CommandError {
  return new CommandError(
    `it is not known whether the change was made, or will be: it was sent, and the answer was lost (${connectionCause(failure)}). ` +
      'See "roost history" before you do it again',
    EXIT.unknown,
  );
}
