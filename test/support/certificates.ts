import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findPeer, pathOf } from './peers.js';

const run = promisify(execFile);

/** Node makes keys and cannot sign certificates. */
export const OPENSSL = findPeer('OPENSSL', 'openssl');

/** PEM files of one certificate. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateRequest {
  /** Subject alternative names: `IP:127.0.0.1`, `DNS:name`, `URI:spiffe://…`. */
  readonly names?: readonly string[];
  readonly commonName?: string;
  /** Negative: it has expired. */
  readonly days?: number;
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** A certificate authority of a test's own, with its files in a folder. */
export class TestAuthority {
  private serial = 0;

  private constructor(
    private readonly folder: string,
    private readonly name: string,
    readonly files: CertificateFiles,
  ) {}

  static async create(folder: string, name = 'ca'): Promise<TestAuthority> {
    const files = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
    await openssl([
      'req',
      '-x509',
      ...KEY,
      '-keyout',
      files.key,
      '-out',
      files.cert,
      '-days',
      '30',
      '-subj',
      `/CN=${name}`,
    ]);
    return new TestAuthority(folder, name, files);
  }

  /** Signs a new key. @param name of the files */
  async issue(name: string, request: CertificateRequest = {}): Promise<CertificateFiles> {
    const { names = ['IP:127.0.0.1'], commonName = name, days = 30 } = request;
    const files = { cert: join(this.folder, `${name}.pem`), key: join(this.folder, `${name}.key`) };
    const [csr, extensions] = [join(this.folder, `${name}.csr`), join(this.folder, `${name}.ext`)];
    await writeFile(extensions, `subjectAltName=${names.join(',')}\n`);
    await openssl(['req', '-new', ...KEY, '-keyout', files.key, '-out', csr, '-subj', `/CN=${commonName}`]);
    const serial = `0x${Buffer.from(`${this.name}${++this.serial}`).toString('hex')}`;
    await openssl([
      ...[
        'x509',
        '-req',
        '-in',
        csr,
        '-CA',
        this.files.cert,
        '-CAkey',
        this.files.key,
        '-set_serial',
        serial,
      ],
      ...['-days', String(days), '-extfile', extensions, '-out', files.cert],
    ]);
    return files;
  }
}

async function openssl(args: readonly string[]): Promise<void> {
  await run(pathOf(OPENSSL), [...args]);
}
