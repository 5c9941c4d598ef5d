import type { ServiceError } from '@grpc/grpc-js';
import type { SocketAddress } from '../model/formats.js';
import { formatAddress } from '../net/ip-address.js';
import type { ChannelSecurity } from './channel-security.js';

/** What the TLS library says, and what it means for the caller. First match wins. */
const TLS_FAILURES: readonly (readonly [RegExp, (address: string, caFlag: string) => string])[] = [
  [
    /self.signed certificate|unable to (verify the first certificate|get (local )?issuer certificate)/i,
    (address, caFlag) =>
      `the certificate of the control plane at ${address} is not signed by a CA that is trusted here; name its CA with ${caFlag} FILE`,
  ],
  [
    /does not match certificate's altnames/i,
    (address) =>
      `the certificate of the control plane at ${address} is for another name; dial it by one that the certificate has`,
  ],
  [/certificate has expired/i, (address) => `the certificate of the control plane at ${address} has expired`],
  [
    /certificate is not yet valid/i,
    (address) =>
      `the certificate of the control plane at ${address} is not valid yet; are both clocks right?`,
  ],
  [
    /wrong version number|packet length too long/i,
    (address, caFlag) =>
      `${address} speaks no TLS; that is the port for plain text (15010 by default): leave ${caFlag} out, or dial the TLS port (15012 by default)`,
  ],
];

/** An HTTP/2 client that a TLS server answers with an alert, or hangs up on, in grpc-js's words. */
const HUNG_UP = /^Failed to connect \(|Protocol error|ECONNRESET|socket hang up|Connection dropped/i;

/** Something answered, and it was no HTTP/2. */
const OTHER_PROTOCOL = /Protocol error/i;

/**
 * What a failure to connect is about, where that is TLS.
 *
 * @param caFlag the flag that names the CA
 * @returns undefined where it is about something else
 */
export function explainTlsFailure(
  error: Pick<ServiceError, 'details'>,
  { host, port }: SocketAddress,
  { usesTls }: Pick<ChannelSecurity, 'usesTls'>,
  caFlag: string,
): string | undefined {
  const address = formatAddress(host, port);
  const cause = rawCause(error);
  if (usesTls) {
    const known = TLS_FAILURES.find(([pattern]) => pattern.test(cause));
    return known && `${known[1](address, caFlag)} (${brief(cause)})`;
  }
  if (!HUNG_UP.test(cause)) return undefined;
  return `the control plane at ${address} does not answer (it hung up: ${brief(inOurWords(cause))}); if it serves TLS there, name its CA with ${caFlag} FILE`;
}

/** Whether to dial again would fail in the same way: a certificate, or a port at which another protocol is spoken. */
export function isLasting(
  error: Pick<ServiceError, 'details'>,
  { usesTls }: Pick<ChannelSecurity, 'usesTls'>,
): boolean {
  const cause = rawCause(error);
  return usesTls ? TLS_FAILURES.some(([pattern]) => pattern.test(cause)) : OTHER_PROTOCOL.test(cause);
}

/**
 * Why a call failed, in our words where grpc-js has sentences of its own ("Waiting for LB pick"), else in those of the
 * server or the operating system.
 */
export function connectionCause(error: Pick<ServiceError, 'details'>): string {
  return inOurWords(rawCause(error));
}

/** Of "No connection established. Last error: Error: connect ECONNREFUSED [::1]:1. Resolution note: " the middle. */
function rawCause({ details }: Pick<ServiceError, 'details'>): string {
  return /Last error: (?:Error: )?(.*?)\.? Resolution note:/s.exec(details)?.[1] ?? details;
}

/** grpc-js's sentences, and what they mean. First match wins. */
const SENTENCES: readonly (readonly [RegExp, (...found: string[]) => string])[] = [
  [
    /^Deadline exceeded after ([\d.]+)s,.*(?:LB pick$|waiting for)/,
    (after = '') => `no connection within ${seconds(after)}`,
  ],
  [/^Deadline exceeded after ([\d.]+)s/, (after = '') => `no answer within ${seconds(after)}`],
  [/^Deadline exceeded/, () => 'no answer in time'],
  [/^(?:undefined|null|No connection established)/, () => 'no connection could be made'],
  [/^Name resolution failed for target (?:dns:)?(.*)/, (name = '') => `the name of ${name} is not found`],
  [/^Failed to connect \(/, () => 'the connection was closed before it was ready'],
  [/^Connection dropped/, () => 'the connection broke'],
  [/^Call cancelled/, () => 'the call was cancelled'],
  [/^Stream refused by server/, () => 'the server takes no further call at present'],
  [/^Bandwidth exhausted/, () => 'the server says that it is sent too much'],
  [/^Received HTTP status code (\d+)/, (status = '') => `the answer is HTTP status ${status}, and no gRPC`],
  [/^Received RST_STREAM with code (\d+)/, (code = '') => `the call was broken off (HTTP/2 error ${code})`],
  [
    /^Received message larger than max \((\d+) vs\.? (\d+)\)/,
    (size = '', most = '') => `the message has ${size} bytes, and at most ${most} are taken`,
  ],
  [/^Error deserializing request/, () => 'the server cannot read the request'],
  [/^Response message parsing error/, () => 'the answer cannot be read'],
];

function inOurWords(cause: string): string {
  for (const [pattern, words] of SENTENCES) {
    const found = pattern.exec(cause);
    if (found) return words(...found.slice(1));
  }
  return cause;
}

/** `10.001` → `10 s` */
function seconds(text: string): string {
  return `${Math.round(Number(text) * 10) / 10} s`;
}

/** Of OpenSSL's "80CC…:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:…:350:" what people read. */
function brief(cause: string): string {
  return /SSL routines:[^:]*:([^:]+)/.exec(cause)?.[1] ?? cause.trim();
}
