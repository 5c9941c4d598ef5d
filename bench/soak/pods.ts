import { fileURLToPath } from 'node:url';
import type { Certificate } from '../backends/backends.js';
import { freePorts } from '../free-ports.js';
import type { ProcessGroup, RunningProcess } from '../processes.js';
import { PODS_PER_RELEASE, podName, RELEASES, type ReleaseName } from './faults.js';

/** Connections that were refused just before a pod came back may be counted against it a little later. */
const SETTLE_MS = 500;
const PROGRAM = fileURLToPath(new URL('./backend-program.js', import.meta.url));

/** A backend: its process, which comes and goes, and when it was not to be relied upon. */
export class Pod {
  readonly address: string;
  /** The configuration names it. */
  configured = true;
  private process: RunningProcess | undefined;
  /** Killed or taken out of the configuration, and not seen usable since. */
  disturbed = false;
  /** By `performance.now()`: when it was back; what the sidecar says of it counts from here on. */
  private backAtMs = Number.POSITIVE_INFINITY;
  private lastDisturbedMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly processes: ProcessGroup,
    readonly release: ReleaseName,
    readonly name: string,
    private readonly port: number,
    private readonly certificate: Certificate | undefined,
  ) {
    this.address = `127.0.0.1:${port}`;
  }

  async start(cores: string | undefined): Promise<void> {
    const files = this.certificate ? [this.certificate.certFile, this.certificate.keyFile] : [];
    const args = [PROGRAM, this.name, String(this.port), ...files];
    this.process = this.processes.start(process.execPath, args, { name: `pod ${this.name}`, cores });
    await this.process.listening(this.port);
  }

  /** With every connection and request that it has. */
  async kill(): Promise<void> {
    this.disturb();
    await this.processes.stop(this.process as RunningProcess, 'SIGKILL');
  }

  /** From here until {@link settle} sessions may be answered elsewhere. */
  disturb(): void {
    this.disturbed = true;
    this.backAtMs = Number.POSITIVE_INFINITY;
  }

  /** It runs again, and every sidecar's configuration names it again. */
  back(): void {
    this.backAtMs = performance.now();
  }

  /** @param seenAtMs when the sidecar was asked, and said that the pod is usable */
  settle(seenAtMs: number): void {
    if (!this.disturbed || seenAtMs < this.backAtMs + SETTLE_MS) return;
    this.disturbed = false;
    this.lastDisturbedMs = performance.now();
  }

  /** Whether it was disturbed at any time since. */
  wasDisturbedSince(ms: number): boolean {
    return this.disturbed || this.lastDisturbedMs >= ms;
  }
}

/** @param certificate what they show; undefined: they speak plain text */
export async function startPods(
  processes: ProcessGroup,
  cores: string | undefined,
  certificate: Certificate | undefined,
): Promise<Pod[]> {
  const ports = await freePorts(RELEASES.length * PODS_PER_RELEASE);
  const pods = ports.map((port, i) => {
    const release = RELEASES[Math.floor(i / PODS_PER_RELEASE)] as ReleaseName;
    return new Pod(processes, release, podName(release, 1 + (i % PODS_PER_RELEASE)), port, certificate);
  });
  await Promise.all(pods.map((pod) => pod.start(cores)));
  return pods;
}
