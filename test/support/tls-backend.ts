import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import type { CertificateFiles } from './certificates.js';

/** A connection that a {@link TlsBackend} has accepted. */
export interface SeenConnection {
  readonly serverName: string;
  readonly reused: boolean;
  /** Common name of what the client has shown; empty: nothing. */
  readonly client: string;
}

export interface TlsBackend {
  readonly address: string;
  readonly connections: readonly SeenConnection[];
}

/** An HTTPS server that answers with how many bytes it was sent, and as many. @param clientCa asks clients for a certificate */
export async function startTlsBackend(
  t: Test,
  { cert, key }: CertificateFiles,
  clientCa?: CertificateFiles,
): Promise<TlsBackend> {
  const connections: SeenConnection[] = [];
  const server = createServer(
    {
      cert: readFileSync(cert),
      key: readFileSync(key),
      ...(clientCa ? { ca: readFileSync(clientCa.cert), requestCert: true, rejectUnauthorized: true } : {}),
    },
    (request, response) => {
      const pieces: Buffer[] = [];
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => response.end(Buffer.concat(pieces)));
    },
  );
  server.on('secureConnection', (socket) =>
    connections.push({
      serverName: socket.servername || '',
      reused: socket.isSessionReused(),
      client: String(socket.getPeerCertificate().subject?.CN ?? ''),
    }),
  );
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, connections };
}
