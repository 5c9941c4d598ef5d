import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import { stringify } from 'yaml';
import { ControlPlane, type ControlPlaneOptions } from '../../control-plane/control-plane.js';
import { type ChannelSecurityOptions, openChannelSecurity } from '../../src/access/channel-security.js';
import type { Role } from '../../src/access/role.js';
import { digestOfToken, newToken } from '../../src/access/token.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { TestAuthority } from './certificates.js';
import { temporaryFolder } from './folder.js';
import { toAddress } from './mesh.js';

const FREE = { host: '127.0.0.1', port: 0 };

/** A credential of a test: its entry in the file, and the secret. */
export interface TestCredential {
  readonly entry: object;
  readonly token: string;
}

export function credential(
  name: string,
  role: Role,
  namespaces: readonly string[] = ['*'],
  more = {},
): TestCredential {
  const token = newToken();
  return { entry: { name, sha256: digestOfToken(token).toString('hex'), role, namespaces, ...more }, token };
}

/** No TLS, no credential. */
export const NO_SECURITY: ChannelSecurityOptions = {
  ca: '',
  clientCert: '',
  clientKey: '',
  tokenFile: '',
  token: '',
};

/** A control plane with TLS and credentials, in this process, and what is needed to call it. */
export class SecuredControlPlane {
  /** Everything that it has logged, as text. */
  log = '';
  private current!: ControlPlane;

  private constructor(
    private readonly t: Test,
    readonly folder: string,
    readonly authority: TestAuthority,
    readonly tokensFile: string,
  ) {}

  static async start(
    t: Test,
    entries: readonly object[],
    options: Partial<ControlPlaneOptions> = {},
  ): Promise<SecuredControlPlane> {
    const folder = await temporaryFolder(t);
    const authority = await TestAuthority.create(folder);
    const { cert, key } = await authority.issue('server');
    const secured = new SecuredControlPlane(t, folder, authority, join(folder, 'tokens.yaml'));
    await secured.writeTokens(entries);
    const tls = { cert, key, clientCa: authority.files.cert };
    const log = createLogger('test', 'trace', { write: (line: string) => secured.keep(line) });
    secured.current = await ControlPlane.start(
      {
        grpc: FREE,
        grpcTls: FREE,
        http: FREE,
        config: [],
        dataDir: '',
        tls,
        tokens: secured.tokensFile,
        ...options,
      },
      log,
    );
    t.teardown(() => secured.current.stop());
    return secured;
  }

  private keep(line: string): void {
    this.log += line;
  }

  get controlPlane(): ControlPlane {
    return this.current;
  }

  writeTokens(entries: readonly object[]): Promise<void> {
    return writeFile(this.tokensFile, stringify(entries));
  }

  /** A client over TLS. */
  client(security: Partial<ChannelSecurityOptions> = {}): ControlPlaneClient {
    return this.dial(this.current.grpcTlsAddress, { ca: this.authority.files.cert, ...security });
  }

  plainClient(security: Partial<ChannelSecurityOptions> = {}): ControlPlaneClient {
    return this.dial(this.current.grpcAddress, security);
  }

  dial(text: string, security: Partial<ChannelSecurityOptions>): ControlPlaneClient {
    const address = toAddress(text);
    const opened = openChannelSecurity({ ...NO_SECURITY, ...security }, address);
    const client = new ControlPlaneClient(address, 'whoever', opened);
    this.t.teardown(() => client.close());
    return client;
  }
}
