import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../free-ports.js';
import { onPath, type ProcessGroup, type RunningProcess } from '../processes.js';
import { ANSWER_BYTES, AUTHORITY } from '../workloads.js';
import { nginxBackendConfig } from './nginx-backend.js';

/** One pod of a release. */
export interface Backend {
  readonly release: 'v1' | 'v2';
  /** `v1-1`: what its answers carry in `x-served-by`. */
  readonly name: string;
  readonly port: number;
  /** The same over TLS; undefined: no TLS in this run. */
  readonly tlsPort: number | undefined;
}

/** The four pods, served by one process. */
export interface Backends {
  readonly kind: 'nginx' | 'node';
  readonly pods: readonly Backend[];
  /** What proxies trust; undefined: no TLS in this run. */
  readonly certificate: Certificate | undefined;
}

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

const RAW_BACKEND = fileURLToPath(new URL('./raw-backend.js', import.meta.url));

/** Starts the backends: nginx, the cheapest at hand, or our own where it is missing. */
export async function startBackends(
  processes: ProcessGroup,
  options: { readonly tls: boolean; readonly cores: string | undefined },
): Promise<Backends> {
  const folder = mkdtempSync(join(processes.folder, 'backends-'));
  writeFileSync(join(folder, 'blob.bin'), Buffer.alloc(ANSWER_BYTES.blob, 'x'));
  const certificate = options.tls ? createCertificate(folder) : undefined;
  const pods = await createPods(options.tls);
  const kind = onPath('nginx') ? 'nginx' : 'node';
  const backends: Backends = { kind, pods, certificate };
  const started =
    kind === 'nginx'
      ? startNginx(processes, folder, backends, options)
      : startRaw(processes, backends, options);
  for (const { port, tlsPort } of pods) {
    await started.listening(port);
    if (tlsPort !== undefined) await started.listening(tlsPort);
  }
  return backends;
}

/** Pods of a release, in order. */
export function podsOf(backends: Backends, release: Backend['release']): readonly Backend[] {
  return backends.pods.filter((pod) => pod.release === release);
}

async function createPods(tls: boolean): Promise<Backend[]> {
  const names = ['v1-1', 'v1-2', 'v2-1', 'v2-2'];
  const ports = await freePorts(names.length);
  const tlsPorts = tls ? await freePorts(names.length) : [];
  return names.map((name, i) => ({
    release: name.startsWith('v1') ? 'v1' : 'v2',
    name,
    port: ports[i] as number,
    tlsPort: tlsPorts[i],
  }));
}

function startNginx(
  processes: ProcessGroup,
  folder: string,
  backends: Backends,
  { cores }: { readonly cores: string | undefined },
): RunningProcess {
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, nginxBackendConfig(folder, backends));
  return processes.start('nginx', ['-p', folder, '-c', file, '-e', 'stderr'], {
    name: 'the nginx backend',
    cores,
  });
}

function startRaw(
  processes: ProcessGroup,
  backends: Backends,
  { cores }: { readonly cores: string | undefined },
): RunningProcess {
  const args = [RAW_BACKEND, JSON.stringify(backends)];
  return processes.start(process.execPath, args, { name: 'the Node backend', cores });
}

/** A certificate for backends that is its own authority, good for a day. */
export function createCertificate(folder: string): Certificate {
  const certFile = join(folder, 'cert.pem');
  const keyFile = join(folder, 'key.pem');
  if (onPath('openssl') === undefined)
    throw new Error('--tls needs the openssl command, to make a certificate');
  const subject = ['-subj', `/CN=${AUTHORITY}`, '-addext', `subjectAltName=DNS:${AUTHORITY}`, '-days', '1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
  execFileSync('openssl', ['req', '-x509', ...key, ...subject, '-out', certFile], { stdio: 'pipe' });
  return { certFile, keyFile };
}
