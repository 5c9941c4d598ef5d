import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import t from 'tap';
import { OPENSSL, TestAuthority } from '../certificates.js';
import { temporaryFolder } from '../folder.js';

const NAME = 'upstream.internal';

/** Between a sidecar and an upstream. */
export interface Encryption {
  /** What an upstream shows. */
  readonly cert: Buffer;
  readonly key: Buffer;
  /** For the `spec` of its service. */
  readonly spec: object;
}

let inForce: Encryption | undefined;

/** That of paths; undefined but in a file of tests that runs {@link againOverTls}. */
export const encryption = () => inForce;

/** Runs a file of tests once more, with TLS between the sidecar and the upstreams of its paths. */
export async function againOverTls(run: () => Promise<unknown>): Promise<void> {
  if (OPENSSL.skip) {
    await t.test('over TLS', { skip: OPENSSL.skip }, async () => {});
    return;
  }
  const authority = await TestAuthority.create(await temporaryFolder(t));
  const { cert, key } = await authority.issue('upstream', { names: [`DNS:${NAME}`] });
  inForce = {
    cert: readFileSync(cert),
    key: readFileSync(key),
    spec: { tls: { serverName: NAME, ca: readFileSync(authority.files.cert, 'utf8') } },
  };
  await run();
}

/** What was accepted, decrypted, where there is encryption. */
export function accepted(socket: Socket, by: Encryption | undefined): Socket {
  if (by === undefined) return socket;
  const { cert, key } = by;
  const decrypted = new TLSSocket(socket, { isServer: true, cert, key });
  // Node resets TCP only.
  decrypted.resetAndDestroy = () => {
    socket.resetAndDestroy();
    return decrypted;
  };
  return decrypted;
}
