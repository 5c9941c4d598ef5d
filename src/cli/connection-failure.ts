import type { ServiceError } from '@grpc/grpc-js';
import type { ChannelSecurity } from '../access/channel-security.js';
import type { SocketAddress } from '../model/scalars.js';
import { formatAddress } from '../xds/fields.js';

/** What the TLS library says, and what it means for whoever dialled. First match wins. */
const TLS_FAILURES: readonly (readonly [RegExp, (address: string) => string])[] = [
  [
    /self.signed certificate|unable to (verify the first certificate|get (local )?issuer certificate)|UNABLE_TO_|SELF_SIGNED/i,
    (address) =>
      `the certificate of the control plane at ${address} is not signed by a CA that is trusted here; name its CA with --ca FILE`,
  ],
  [
    /Hostname\/IP does not match certificate's altnames: (.*)/i,
    (address) =>
      `the certificate of the control plane at ${address} is for another name; dial it by a name that the certificate has`,
  ],
  [
    /certificate has expired|CERT_HAS_EXPIRED/i,
    (address) => `the certificate of the control plane at ${address} has expired`,
  ],
  [
    /certificate is not yet valid|CERT_NOT_YET_VALID/i,
    (address) =>
      `the certificate of the control plane at ${address} is not valid yet; are both clocks right?`,
  ],
  [
    /wrong version number|packet length too long|EPROTO|http request/i,
    (address) =>
      `${address} speaks no TLS; that is the port for plain text (15010 by default): leave --ca out, or dial the TLS port (15012 by default)`,
  ],
];

/** An HTTP/2 client that a TLS server answers with an alert, or hangs up on. */
const PLAIN_TO_TLS = /Protocol error|ECONNRESET|EPIPE|socket hang up|Connection dropped|NGHTTP2|ERR_HTTP2/i;

/** Why no call could be made, and what helps, in the user's words. */
export function describeUnavailable(
  error: ServiceError,
  { host, port }: SocketAddress,
  { usesTls }: Pick<ChannelSecurity, 'usesTls'>,
): string {
  const address = formatAddress(host, port);
  const cause = causeOf(error);
  if (usesTls) {
    const known = TLS_FAILURES.find(([pattern]) => pattern.test(cause));
    if (known !== undefined) return `${known[1](address)} (${cause})`;
  } else if (PLAIN_TO_TLS.test(cause)) {
    return `the control plane at ${address} hung up (${cause}); if it serves TLS there, name its CA with --ca FILE`;
  }
  return (
    `the control plane at ${address} does not answer (${cause}); is it running there? ` +
    'Name another with --control-plane HOST:PORT or ROOST_CONTROL_PLANE'
  );
}

/** What to do about credentials that did not do. */
export function describeUnauthenticated(
  { details }: ServiceError,
  { hasToken }: Pick<ChannelSecurity, 'hasToken'>,
): string {
  const hint = hasToken
    ? 'look at --token-file or ROOST_TOKEN'
    : 'give a token with --token-file or ROOST_TOKEN';
  return `the control plane does not let you in: ${details}; ${hint}`;
}

/** Of "No connection established. Last error: Error: connect ECONNREFUSED [::1]:1. Resolution note: " the middle. */
function causeOf({ details }: ServiceError): string {
  return /Last error: (?:Error: )?(.*?)\.? Resolution note:/s.exec(details)?.[1] ?? details;
}
