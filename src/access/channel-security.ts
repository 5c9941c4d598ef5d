import { isIP, type Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { CallCredentials, ChannelCredentials, InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { MAX_SECRET_BYTES, readBoundedFile } from '../lifecycle/bounded-file.js';
import { OperatorError } from '../lifecycle/operator-error.js';
import type { SocketAddress } from '../model/formats.js';
import { formatAddress, isLoopback } from '../net/ip-address.js';

/** As `ca`: the certificate authorities that this machine trusts. */
export const SYSTEM_CA = 'system';

/** How a client of the control plane proves who it is and checks whom it talks to. Empty texts: not told. */
export interface ChannelSecurityOptions {
  /** PEM file, or {@link SYSTEM_CA}. Set: TLS is used. */
  readonly ca: string;
  /** PEM files of the client's own certificate; both or none. */
  readonly clientCert: string;
  readonly clientKey: string;
  readonly tokenFile: string;
  /** The token itself; the file goes first. */
  readonly token: string;
}

/** What a gRPC client is made with. */
export interface ChannelSecurity {
  readonly credentials: ChannelCredentials;
  readonly interceptors: Interceptor[];
  readonly usesTls: boolean;
  readonly hasToken: boolean;
}

export const INSECURE: ChannelSecurity = {
  credentials: ChannelCredentials.createInsecure(),
  interceptors: [],
  usesTls: false,
  hasToken: false,
};

/**
 * Reads what is to be read, so that a mistake is told before anything is dialled. Files are read again with every
 * connection (certificates) and every call (the token): one that was replaced is used as soon as it is needed.
 *
 * @param onProblem told when a token file cannot be read any more, and the token read last is used on
 * @throws OperatorError
 */
export function openChannelSecurity(
  options: ChannelSecurityOptions,
  address: SocketAddress,
  onProblem: (problem: string) => void = () => {},
): ChannelSecurity {
  const usesTls = options.ca !== '';
  checkTogether(options, address);
  const token = tokenReader(options, onProblem);
  if (usesTls) readContext(options);
  return {
    credentials: usesTls
      ? new RereadCredentials(address.host, () => readContext(options))
      : INSECURE.credentials,
    interceptors: token === undefined ? [] : [bearer(token)],
    usesTls,
    hasToken: token !== undefined,
  };
}

/** Options that exclude each other. @throws OperatorError */
export function checkTogether(
  { ca, clientCert, clientKey, tokenFile, token }: ChannelSecurityOptions,
  { host, port }: SocketAddress,
): void {
  if ((clientCert === '') !== (clientKey === ''))
    throw new OperatorError('a client certificate and its key go together; one of them is missing');
  if (clientCert !== '' && ca === '')
    throw new OperatorError(
      `a client certificate is shown over TLS only; name the CA of the control plane's certificate (or "${SYSTEM_CA}")`,
    );
  if (tokenFile + token !== '' && ca === '' && !isLoopback(host))
    throw new OperatorError(
      `the token is not sent in plain text to ${formatAddress(host, port)}; ` +
        `name the CA of its certificate (or "${SYSTEM_CA}") to use TLS`,
    );
}

/** @throws OperatorError */
function readContext({ ca, clientCert, clientKey }: ChannelSecurityOptions): SecureContext {
  const pem = {
    ...(ca === SYSTEM_CA ? {} : { ca: readFile('the CA file', ca) }),
    ...(clientCert === ''
      ? {}
      : {
          cert: readFile('the client certificate', clientCert),
          key: readFile('the client key', clientKey),
        }),
  };
  try {
    return createSecureContext(pem);
  } catch (cause) {
    const files = [ca, clientCert, clientKey].filter((file) => file !== '').join(', ');
    throw new OperatorError(`${files}: ${(cause as Error).message}`, { cause });
  }
}

function readFile(what: string, file: string): Buffer {
  try {
    return readBoundedFile(file, { maxBytes: MAX_SECRET_BYTES, pipes: true });
  } catch (cause) {
    throw new OperatorError(`${what} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** @returns undefined where there is no token */
function tokenReader(
  { tokenFile, token }: ChannelSecurityOptions,
  onProblem: (problem: string) => void,
): (() => string) | undefined {
  if (tokenFile === '') return token === '' ? undefined : () => token;
  let last = readToken(tokenFile);
  return () => {
    try {
      last = readToken(tokenFile);
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      onProblem(error.message);
    }
    return last;
  };
}

/** @throws OperatorError */
function readToken(file: string): string {
  const token = readFile('the token file', file).toString('utf8').trim();
  // What is in the file is not repeated: it is close to a secret.
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new OperatorError(`the token file ${file} holds no token, alone on a line`);
  return token;
}

function bearer(token: () => string): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, listener, next) => {
        metadata.set('authorization', `Bearer ${token()}`);
        next(metadata, listener);
      },
    });
}

/** TLS with certificates that are read again for each connection. */
class RereadCredentials extends ChannelCredentials {
  constructor(
    private readonly host: string,
    private readonly context: () => SecureContext,
  ) {
    super();
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  override _createSecureConnector() {
    const none = CallCredentials.createEmpty();
    return {
      connect: async (socket: Socket) => ({ socket: await this.shakeHands(socket), secure: true }),
      waitForReady: async () => {},
      getCallCredentials: () => none,
      destroy: () => {},
    };
  }

  private shakeHands(socket: Socket): Promise<TLSSocket> {
    const { host } = this;
    const secureContext = this.context();
    return new Promise((resolve, reject) => {
      // An address is checked against the certificate and is not a name to ask for (RFC 6066, section 3).
      const servername = isIP(host) === 0 ? host : '';
      const tls = connect({ socket, secureContext, host, servername, ALPNProtocols: ['h2'] }, () =>
        resolve(tls),
      );
      // The later holder of the connection learns of its end by other events.
      tls.on('error', reject);
      tls.on('close', () => reject(new Error('the connection was closed during the TLS handshake')));
    });
  }
}
