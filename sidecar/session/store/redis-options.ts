import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import { SYSTEM_CA } from '../../../src/access/channel-security.js';
import { OperatorError } from '../../../src/lifecycle/operator-error.js';
import type { SocketAddress } from '../../../src/model/formats.js';
import { formatAddress } from '../../../src/net/ip-address.js';

/** Where a Redis or Valkey is, and how a sidecar gets in. Empty texts: not told. */
export interface RedisOptions {
  /** One, or some of the nodes of a cluster. */
  readonly hosts: readonly SocketAddress[];
  readonly isCluster: boolean;
  /** Number of the database; 0 in a cluster. */
  readonly database: number;
  /** Undefined: plain text. */
  readonly tls: RedisTlsOptions | undefined;
  /** ACL user; empty: Redis calls it `default`. */
  readonly user: string;
  readonly password: string;
  /** Read with every connection; goes before the password. */
  readonly passwordFile: string;
}

export interface RedisTlsOptions {
  /** PEM file; empty or {@link SYSTEM_CA}: the authorities that this machine trusts. */
  readonly ca: string;
  /** PEM files of the sidecar's own certificate; both or none. */
  readonly cert: string;
  readonly key: string;
}

/** What a connection is made with. */
export interface RedisAccess {
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly secureContext: SecureContext | undefined;
}

/** For the log: no user, no password. */
export function storeName({ hosts, isCluster, tls }: RedisOptions): string {
  const scheme = `${tls === undefined ? 'redis' : 'rediss'}${isCluster ? '+cluster' : ''}`;
  return `${scheme}://${hosts.map(({ host, port }) => formatAddress(host, port)).join(',')}`;
}

/** An address is checked against the certificate and is not a name to ask for (RFC 6066, section 3). */
export function serverName(host: string): string {
  return isIP(host) === 0 ? host : '';
}

/**
 * Reads the files that the options name.
 *
 * @throws OperatorError
 */
export function readAccess({ tls, user, password, passwordFile }: RedisOptions): RedisAccess {
  const secret = passwordFile === '' ? password : readPassword(passwordFile);
  return {
    user: user === '' ? undefined : user,
    password: secret === '' ? undefined : secret,
    secureContext: tls && readContext(tls),
  };
}

function readPassword(file: string): string {
  const password = readFile('--session-store-password-file', file)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  // A file may be empty for a moment while it is replaced; the sidecar must not try without a password then.
  if (password === '') throw new OperatorError(`--session-store-password-file: ${file} is empty`);
  return password;
}

function readContext({ ca, cert, key }: RedisTlsOptions): SecureContext {
  const pem = {
    ...(ca === '' || ca === SYSTEM_CA ? {} : { ca: readFile('--session-store-ca', ca) }),
    ...(cert === ''
      ? {}
      : { cert: readFile('--session-store-cert', cert), key: readFile('--session-store-key', key) }),
  };
  try {
    return createSecureContext(pem);
  } catch (cause) {
    const files = [ca, cert, key].filter((file) => file !== '').join(', ');
    throw new OperatorError(`${files}: ${(cause as Error).message}`, { cause });
  }
}

function readFile(flag: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new OperatorError(`${flag} cannot be read: ${(cause as Error).message}`, { cause });
  }
}
