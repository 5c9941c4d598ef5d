import { statSync } from 'node:fs';
import { checkServerIdentity, createSecureContext, type PeerCertificate, type SecureContext } from 'node:tls';
import { MAX_SECRET_BYTES, readBoundedFile } from '../../src/lifecycle/bounded-file.js';
import type { UpstreamTlsConfig } from '../../src/xds/tls-config.js';

/** Of what `tls.connect` takes, what a cluster decides. */
export interface TlsOptions {
  readonly secureContext: SecureContext;
  readonly servername: string;
  readonly ALPNProtocols: string[];
  checkServerIdentity(host: string, shown: PeerCertificate): Error | undefined;
  readonly session?: Buffer;
}

/** Files are looked at for changes at most this often. */
const LOOK_MS = 5000;
/** Sessions that can be taken up again, one for each address; the oldest goes when there are more. */
const MAX_SESSIONS = 1000;

/**
 * One cluster's TLS: what its connections trust and show, made once and again when a file has changed, and the
 * sessions that spare the next connection to an address half of the handshake (RFC 8446 section 2.2).
 */
export class UpstreamTls {
  private made: TlsOptions | undefined;
  private stamp = '';
  private lookAtMs = 0;
  private readonly sessions = new Map<string, Buffer>();

  /** @param nowMs coarse clock */
  constructor(
    private readonly config: UpstreamTlsConfig,
    private readonly nowMs: () => number,
  ) {}

  /** @throws Error where a file cannot be read, or is not what it should be */
  optionsFor(address: string): TlsOptions {
    const options = this.options();
    const session = this.sessions.get(address);
    return session === undefined ? options : { ...options, session };
  }

  keepSession(address: string, session: Buffer): void {
    this.sessions.delete(address);
    this.sessions.set(address, session);
    if (this.sessions.size <= MAX_SESSIONS) return;
    const [oldest] = this.sessions.keys();
    this.sessions.delete(oldest as string);
  }

  private options(): TlsOptions {
    const now = this.nowMs();
    if (this.made !== undefined && now < this.lookAtMs) return this.made;
    const stamp = this.files().map(stampOf).join();
    if (this.made === undefined || stamp !== this.stamp) {
      this.made = this.make();
      this.stamp = stamp;
      this.sessions.clear();
    }
    this.lookAtMs = now + LOOK_MS;
    return this.made;
  }

  private files(): string[] {
    const { ca, certificate } = this.config;
    const authority = ca !== undefined && 'file' in ca ? [ca.file] : [];
    return certificate === undefined ? authority : [...authority, certificate.chainFile, certificate.keyFile];
  }

  private make(): TlsOptions {
    const { serverName, acceptedNames, ca, certificate } = this.config;
    const secureContext = createSecureContext({
      ...(ca === undefined ? {} : { ca: 'pem' in ca ? ca.pem : readNamed(ca.file) }),
      ...(certificate === undefined
        ? {}
        : { cert: readNamed(certificate.chainFile), key: readNamed(certificate.keyFile) }),
    });
    return {
      secureContext,
      servername: serverName,
      ALPNProtocols: ['http/1.1'],
      checkServerIdentity: (_host, shown) => checkNames(acceptedNames, shown),
    };
  }
}

/** Configuration names these files: one that never ends must not end the sidecar. */
function readNamed(file: string): Buffer {
  return readBoundedFile(file, { maxBytes: MAX_SECRET_BYTES });
}

/** @returns undefined where the certificate has one of the names, or none is asked for */
function checkNames(accepted: readonly string[], shown: PeerCertificate): Error | undefined {
  const problems = accepted.map((name) => checkServerIdentity(name, shown));
  return problems.includes(undefined) ? undefined : problems[0];
}

/** Changes when the file does. */
function stampOf(file: string): string {
  const { mtimeMs, size, ino } = statSync(file);
  return `${mtimeMs}/${size}/${ino}`;
}
