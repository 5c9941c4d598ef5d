import { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { MAX_SECRET_BYTES, readBoundedFile } from '../../src/lifecycle/bounded-file.js';
import { OperatorError } from '../../src/lifecycle/operator-error.js';

/** Files that the TLS port lives on, PEM. */
export interface TlsFiles {
  /** With the intermediate certificates. */
  readonly cert: string;
  readonly key: string;
  /** Who signs client certificates; empty: none are asked for. */
  readonly clientCa: string;
}

/** Files as read, and found to belong together. */
export interface TlsMaterial {
  readonly context: SecureContextOptions;
  /** When the certificate ends. */
  readonly notAfterMs: number;
}

export function pathsOf({ cert, key, clientCa }: TlsFiles): string[] {
  return clientCa === '' ? [cert, key] : [cert, key, clientCa];
}

/** @throws OperatorError that names the file and what is wrong with it */
export function readTlsFiles(files: TlsFiles): TlsMaterial {
  const cert = read('--tls-cert', files.cert);
  const key = read('--tls-key', files.key);
  const ca = files.clientCa === '' ? {} : { ca: read('--tls-client-ca', files.clientCa) };
  const context: SecureContextOptions = { cert, key, ...ca };
  check(`--tls-cert ${files.cert} and --tls-key ${files.key}`, () => createSecureContext({ cert, key }));
  if (ca.ca !== undefined) check(`--tls-client-ca ${files.clientCa}`, () => new X509Certificate(ca.ca));
  return { context, notAfterMs: Date.parse(new X509Certificate(cert).validTo) };
}

function read(flag: string, file: string): Buffer {
  try {
    return readBoundedFile(file, { maxBytes: MAX_SECRET_BYTES });
  } catch (error) {
    throw new OperatorError(`${flag} ${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

function check(what: string, work: () => unknown): void {
  try {
    work();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new OperatorError(`${what} cannot be used: ${TLS_REASONS[code ?? ''] ?? message}`, { cause });
  }
}

const TLS_REASONS: Readonly<Record<string, string>> = {
  ERR_OSSL_X509_KEY_VALUES_MISMATCH: 'the key is not that of the certificate',
  ERR_OSSL_PEM_NO_START_LINE: 'there is no PEM in it ("-----BEGIN …")',
  ERR_OSSL_UNSUPPORTED: 'it is not PEM that is understood',
};
