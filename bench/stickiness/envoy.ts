import { writeFile } from 'node:fs/promises';
import type { NamedBackend } from '../../test/support/fast-traffic.js';
import { temporaryFolder } from '../../test/support/folder.js';
import type { Owner } from '../../test/support/owner.js';
import { eventually } from '../../test/support/processes.js';
import { freePorts } from '../free-ports.js';
import { onPath } from '../processes.js';
import { bootstrap, type EnvoyWay, endpoints, routes } from './envoy-configuration.js';
import { fetchText, ProxyProcess, replaceFile } from './proxy-process.js';
import type { Pods, StickyPeer, StickyPeerProgram, Weights } from './sticky-peer.js';

const NAMES = ['a', 'b'] as const;

/** @param path of the binary; undefined: it is looked for on PATH */
export function envoyPrograms(path: string | undefined): StickyPeerProgram[] {
  const binary = onPath(path || 'envoy');
  const missing = () => (binary === undefined ? 'envoy (--with-envoy PATH, or ENVOY=)' : undefined);
  const program = (way: EnvoyWay, how: string): StickyPeerProgram => ({
    name: `Envoy ${way}`,
    how: `${how}; health checks; changed by files (RDS, EDS)`,
    key: way === 'header' ? 'header' : 'cookie',
    spreadMs: 0,
    missing,
    start: (owner, pods, weights) => Envoy.start(owner, binary as string, way, pods, weights),
  });
  const fallback = 'v1 as the second priority of v2';
  return [
    program('header', `weighted clusters with \`use_hash_policy\`, ring hash to pods, ${fallback}`),
    program('cookies', `a route for each value of a release cookie, ring hash to pods, ${fallback}`),
    program('stateful', 'a route for each value of a release cookie, `stateful_session` for the pod'),
  ];
}

/** Two processes that watch the same files, as pods that mount one ConfigMap do. */
class Envoy implements StickyPeer {
  private version = 0;
  private hasCanary = true;
  private weights: Weights = { v1: 1, v2: 0 };

  private constructor(
    readonly addresses: readonly [string, string],
    private readonly admin: readonly number[],
    private readonly processes: readonly ProxyProcess[],
    private readonly way: EnvoyWay,
    private readonly folder: string,
    private pods: Pods,
  ) {}

  static async start(
    owner: Owner,
    binary: string,
    way: EnvoyWay,
    pods: Pods,
    weights: Weights,
  ): Promise<Envoy> {
    const [a, b, adminA, adminB] = (await freePorts(4)) as [number, number, number, number];
    const [folder, admin] = [await temporaryFolder(owner), [adminA, adminB]];
    for (const release of ['v1', 'v2'] as const)
      await writeFile(`${folder}/${release}.json`, endpoints(way, release, pods, '0'));
    await writeFile(`${folder}/routes.json`, routes({ way, weights, hasCanary: true }, '0'));
    const start = async (port: number, i: number) => {
      const file = `${folder}/${NAMES[i]}.json`;
      await writeFile(file, bootstrap({ way, folder, port, admin: admin[i] as number }));
      const quiet = ['--concurrency', '1', '--disable-hot-restart', '--log-level', 'error'];
      return ProxyProcess.start(owner, binary, ['-c', file, ...quiet]);
    };
    const processes = await Promise.all([a, b].map(start));
    const addresses = [`127.0.0.1:${a}`, `127.0.0.1:${b}`] as const;
    const envoy = new Envoy(addresses, admin, processes, way, folder, pods);
    await envoy.split(weights);
    return envoy;
  }

  async split(weights: Weights): Promise<void> {
    this.weights = weights;
    const version = String(++this.version);
    await replaceFile(
      `${this.folder}/routes.json`,
      routes({ way: this.way, weights, hasCanary: this.hasCanary }, version),
    );
    await this.inForce('http.calls.rds.routes.version_text', version);
  }

  /** With a hash of the header, all that weight 0 can do is evict. */
  drain(): Promise<void> {
    return this.split({ v1: this.weights.v1 + this.weights.v2, v2: 0 });
  }

  async remove(): Promise<void> {
    this.hasCanary = false;
    await this.drain();
  }

  async replace(pods: readonly NamedBackend[], weights: Weights): Promise<void> {
    this.pods = { ...this.pods, v2: pods };
    this.hasCanary = true;
    const version = String(++this.version);
    await replaceFile(`${this.folder}/v2.json`, endpoints(this.way, 'v2', this.pods, version));
    await this.inForce('cluster.v2.version_text', version);
    await this.split(weights);
  }

  private async inForce(stat: string, version: string): Promise<void> {
    for (const [i, port] of this.admin.entries())
      await eventually(`Envoy serves ${stat} ${version}`, async () => {
        this.processes[i]?.assertRuns();
        return (await fetchText(port, `/stats?filter=${stat}`))?.includes(`"${version}"`) === true;
      });
  }
}
