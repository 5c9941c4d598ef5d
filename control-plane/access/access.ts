import { OperatorError } from '../../src/lifecycle/operator-error.js';
import type { Logger } from '../../src/telemetry/logger.js';
import { CallGuard, type ConnectionInfo } from './call-guard.js';
import type { ClientCertificate } from './client-certificate.js';
import { CredentialSet } from './credential-set.js';
import { InvalidCredentialsError, readCredentials } from './credentials.js';
import { pathsOf, readTlsFiles, type TlsFiles, type TlsMaterial } from './tls-files.js';
import { WatchedFiles } from './watched-files.js';

export interface AccessOptions {
  readonly tls?: TlsFiles | undefined;
  /** File of credentials; absent or empty: callers need none. */
  readonly tokens?: string | undefined;
  /** Calls of the API that one peer may make in a second. */
  readonly callsPerSecond?: number | undefined;
}

/** The part of the gRPC port that this needs. */
export interface Door {
  certificateOf(connection: ConnectionInfo): ClientCertificate | undefined;
  noteAdmitted(connection: ConnectionInfo): void;
  replaceTls(material: TlsMaterial): void;
}

const CALLS_PER_SECOND = 500;
/** A peer that has been quiet may make as many calls at once as in so many seconds. */
const BURST_SECONDS = 2;
const EXPIRY_CHECK_MS = 1000;
const DAY_MS = 86_400_000;
/** A certificate is warned of when it is read with less than this left. */
const EXPIRES_SOON_DAYS = 14;

/**
 * Who may come in: the guard before every call, and the files that it lives on. A file that changes and is not
 * valid leaves what was in force before, and says where it is wrong.
 */
export class Access {
  readonly guard: CallGuard;
  /** As read at the start; undefined: no TLS. */
  readonly tls: TlsMaterial | undefined;
  /** When the certificate in force ends, in milliseconds since the epoch; undefined: no TLS. */
  certificateNotAfterMs: number | undefined;
  private readonly watched: WatchedFiles[] = [];
  private expiryTimer: NodeJS.Timeout | undefined;

  /**
   * @param door known only later: the guard is part of the server that the port is made for
   * @throws OperatorError, InvalidCredentialsError
   */
  constructor(
    private readonly options: AccessOptions,
    private readonly door: () => Door,
    private readonly log: Logger,
  ) {
    const { tls, tokens, callsPerSecond = CALLS_PER_SECOND } = options;
    if (tls !== undefined) {
      this.watch(pathsOf(tls), () => this.reloadTls(tls));
      this.tls = readTlsFiles(tls);
      this.noteExpiry(this.tls);
    }
    if (tokens) this.watch([tokens], () => this.reloadCredentials(tokens));
    this.guard = new CallGuard({
      credentials: tokens ? new CredentialSet(readCredentials(tokens)) : undefined,
      certificateOf: (connection) => this.door().certificateOf(connection),
      onAdmitted: (connection) => this.door().noteAdmitted(connection),
      callRate: { perSecond: callsPerSecond, burst: callsPerSecond * BURST_SECONDS },
      log,
      nowMs: Date.now,
    });
  }

  /** From now on, files are read again when they change. */
  start(): void {
    for (const files of this.watched) files.start();
    if (this.options.tokens)
      this.expiryTimer = setInterval(() => this.guard.endExpired(), EXPIRY_CHECK_MS).unref();
  }

  close(): void {
    for (const files of this.watched) files.close();
    clearInterval(this.expiryTimer);
  }

  private watch(files: readonly string[], onChange: () => void): void {
    this.watched.push(new WatchedFiles(files, onChange));
  }

  private reloadTls(files: TlsFiles): void {
    try {
      const material = readTlsFiles(files);
      this.door().replaceTls(material);
      this.noteExpiry(material);
      this.log.info({ notAfter: isoTime(material.notAfterMs) }, 'certificate replaced');
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      this.log.error({ reason: error.message }, 'the new certificate cannot be used; the previous one stays');
    }
  }

  private reloadCredentials(file: string): void {
    try {
      const credentials = new CredentialSet(readCredentials(file));
      this.guard.replace(credentials);
      this.log.info({ credentials: credentials.credentials.length }, 'credentials replaced');
    } catch (error) {
      if (!(error instanceof InvalidCredentialsError)) throw error;
      this.log.error({ problems: error.problems }, 'the credentials are not valid; the previous ones stay');
    }
  }

  private noteExpiry({ notAfterMs }: TlsMaterial): void {
    this.certificateNotAfterMs = notAfterMs;
    const daysLeft = (notAfterMs - Date.now()) / DAY_MS;
    if (daysLeft < EXPIRES_SOON_DAYS)
      this.log.warn(
        { notAfter: isoTime(notAfterMs) },
        'the certificate of the gRPC port has expired or soon will',
      );
  }
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
