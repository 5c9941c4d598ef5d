import type { TLSSocket } from 'node:tls';
import { type CertificateNames, certificateNames } from './certificate-names.js';

/** The certificate that a client has shown: what it says, or why it counts for nothing. */
export type ClientCertificate = CertificateNames | { readonly problem: string };

/** @returns undefined where the client has shown none */
export function clientCertificateOf(socket: TLSSocket): ClientCertificate | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  if (!socket.authorized) return { problem: describe(socket.authorizationError) };
  return certificateNames(certificate);
}

/** Node gives OpenSSL's code, as a text or as an error. */
function describe(error: Error | string | undefined): string {
  const code =
    error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : (error ?? '');
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return 'it has expired';
    case 'CERT_NOT_YET_VALID':
      return 'it is not valid yet';
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
      return 'it is not signed by a CA of --tls-client-ca';
    default:
      return String(code);
  }
}
