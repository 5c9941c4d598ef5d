import type { ErrorCode } from '../../src/http/error-catalogue.js';

/**
 * A message that breaks the rules of HTTP/1.1, or a bound of ours. Ambiguous framing is refused, never guessed:
 * two parsers that disagree about where a message ends are how requests are smuggled.
 */
export class ProtocolError extends Error {
  constructor(
    message: string,
    /** Status for a client whose request this is. */
    readonly status: 400 | 431 | 501 | 505 = 400,
  ) {
    super(message);
    this.name = 'ProtocolError';
  }
}

/** What a client whose request breaks a rule is told. */
export const ERROR_OF_STATUS: Readonly<Record<ProtocolError['status'], ErrorCode>> = {
  400: 'malformed-request',
  431: 'head-too-large',
  501: 'unsupported-coding',
  505: 'unsupported-version',
};
