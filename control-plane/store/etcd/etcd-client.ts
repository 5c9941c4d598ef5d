import { Client, type ClientDuplexStream, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { openChannelSecurity } from '../../../src/access/channel-security.js';
import { connectionCause } from '../../../src/access/connection-failure.js';
import { formatAddress } from '../../../src/net/ip-address.js';
import { AUTHENTICATE, type EtcdMethod } from './etcd-messages.js';
import type { EtcdOptions } from './etcd-options.js';

/** Longest that one endpoint is waited for; an election takes one to two seconds. */
const ATTEMPT_TIMEOUT_MS = 2000;
/** Etcd closes connections that are pinged more often than every 5 s. */
const KEEP_ALIVE_MS = { time: 10_000, timeout: 5000 } as const;
const RECONNECT_MS = { first: 100, max: 2000 } as const;

/** What etcd says when it refuses something for good, before it does anything. */
const REFUSALS: ReadonlySet<status> = new Set([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.PERMISSION_DENIED,
  status.RESOURCE_EXHAUSTED,
  status.FAILED_PRECONDITION,
  status.OUT_OF_RANGE,
  status.UNIMPLEMENTED,
  status.UNAUTHENTICATED,
]);

/** A call did not get to an endpoint, in grpc-js's words; or was turned away by a member without a leader. */
const NOT_DONE =
  /^No connection established|Waiting for LB pick|^Name resolution failed|^etcdserver: no leader/;
const STALE_TOKEN = /invalid auth token|revision of auth store is old/;

/** A call of etcd that failed. */
export class EtcdCallError extends Error {
  /**
   * @param mayHaveHappened false: what was asked for was not done and will not be
   * @param isFinal asking again, or another endpoint, makes no difference
   */
  constructor(
    message: string,
    readonly mayHaveHappened: boolean,
    readonly isFinal: boolean,
    /** What was to be read is not kept any more. */
    readonly isCompacted = false,
  ) {
    super(message);
    this.name = 'EtcdCallError';
  }
}

export type EtcdStream = ClientDuplexStream<object, object>;

/** Connections to the endpoints of one etcd cluster. One is used at a time, the next one when it fails. */
export class EtcdClient {
  private readonly channels: readonly { readonly address: string; readonly client: Client }[];
  private current: number;
  private token: Promise<string> | undefined;

  /** @throws OperatorError where a file cannot be used */
  constructor(private readonly options: EtcdOptions) {
    const { endpoints, security } = options;
    this.channels = endpoints.map((endpoint) => {
      const address = formatAddress(endpoint.host, endpoint.port);
      const { credentials } = openChannelSecurity({ ...security, tokenFile: '', token: '' }, endpoint);
      return { address, client: new Client(address, credentials, CHANNEL_OPTIONS) };
    });
    // Control planes with the same list spread over it.
    this.current = Math.floor(Math.random() * endpoints.length);
  }

  close(): void {
    for (const { client } of this.channels) client.close();
  }

  /** One attempt at one endpoint; the next call goes to the next one if it fails. @throws EtcdCallError */
  async call<Response>(method: EtcdMethod, request: object): Promise<Response> {
    const metadata = await this.metadata();
    try {
      return await this.send<Response>(method, request, metadata);
    } catch (error) {
      if (!(error instanceof EtcdCallError) || !this.forgetStaleToken(error)) throw error;
    }
    // The token has run out meanwhile; the call was refused for that.
    return this.send<Response>(method, request, await this.metadata());
  }

  /** A stream to the endpoint in use. Its holder calls {@link turnFrom} when it breaks. @throws EtcdCallError */
  async open(method: EtcdMethod): Promise<{ readonly stream: EtcdStream; readonly endpoint: number }> {
    const metadata = await this.metadata();
    const endpoint = this.current;
    const { client } = this.channels[endpoint] as (typeof this.channels)[number];
    const { path, requestSerialize, responseDeserialize } = method;
    const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
    return { stream, endpoint };
  }

  /** What a broken stream's error means. */
  explain(error: ServiceError, endpoint: number): EtcdCallError {
    const explained = explain(error, this.channels[endpoint]?.address ?? '');
    this.forgetStaleToken(explained);
    return explained;
  }

  /** An endpoint has failed: the next one is used from now on. */
  turnFrom(endpoint: number): void {
    if (this.current === endpoint) this.current = (endpoint + 1) % this.channels.length;
  }

  private send<Response>(method: EtcdMethod, request: object, metadata: Metadata): Promise<Response> {
    const endpoint = this.current;
    const { client, address } = this.channels[endpoint] as (typeof this.channels)[number];
    const { path, requestSerialize, responseDeserialize } = method;
    const options = { deadline: Date.now() + ATTEMPT_TIMEOUT_MS };
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        options,
        (error, response) => {
          if (!error) return resolve(response as Response);
          const explained = explain(error, address);
          if (!explained.isFinal) this.turnFrom(endpoint);
          reject(explained);
        },
      );
    });
  }

  private async metadata(): Promise<Metadata> {
    const metadata = new Metadata();
    // A member that is cut off from the others says so, instead of answering with what it last knew.
    metadata.set('hasleader', 'true');
    if (this.options.user === undefined) return metadata;
    this.token ??= this.authenticate(metadata);
    try {
      metadata.set('token', await this.token);
    } catch (error) {
      this.token = undefined;
      throw error;
    }
    return metadata;
  }

  private async authenticate(metadata: Metadata): Promise<string> {
    const { name, password } = this.options.user as NonNullable<EtcdOptions['user']>;
    const request = { name, password: password() };
    const { token } = await this.send<{ token: string }>(AUTHENTICATE, request, metadata.clone());
    return token;
  }

  private forgetStaleToken(error: EtcdCallError): boolean {
    if (this.token === undefined || !STALE_TOKEN.test(error.message)) return false;
    this.token = undefined;
    return true;
  }
}

const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.initial_reconnect_backoff_ms': RECONNECT_MS.first,
  'grpc.max_reconnect_backoff_ms': RECONNECT_MS.max,
  'grpc.keepalive_time_ms': KEEP_ALIVE_MS.time,
  'grpc.keepalive_timeout_ms': KEEP_ALIVE_MS.timeout,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.enable_channelz': 0,
  // A transaction must not be sent twice without its sender knowing.
  'grpc.enable_retries': 0,
} as const;

function explain(error: ServiceError, address: string): EtcdCallError {
  const { code, details } = error;
  const isFinal = REFUSALS.has(code);
  const message = `${address}: ${connectionCause(error)}`;
  const isCompacted = code === status.OUT_OF_RANGE && details.includes('compacted');
  return new EtcdCallError(message, !isFinal && !NOT_DONE.test(details), isFinal, isCompacted);
}
