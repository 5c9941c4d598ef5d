import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './documentation.js';
import { temporaryFolder } from './folder.js';
import type { Owner } from './owner.js';

const SCRIPT = join(ROOT, 'test/cluster/cluster.sh');
const ROOST = join(ROOT, 'dist/src/cli/main.js');
const run = promisify(execFile);
const MAX_OUTPUT = 16 * 1024 * 1024;

/** For a test's `skip`: why no cluster can run here; false where it can. */
export const CLUSTER_SKIP: string | false = whyNot();

function whyNot(): string | false {
  if (process.getuid?.() !== 0) return 'a cluster needs root: it makes namespaces';
  const cache = process.env.KUBE_CACHE;
  if (!cache) return 'KUBE_CACHE does not say where test/cluster/cluster.sh has built Kubernetes';
  const built = join(cache, 'test-cluster');
  const isBuilt =
    existsSync(built) && readdirSync(built).some((each) => existsSync(join(built, each, 'kubernetes')));
  return isBuilt ? false : `Kubernetes is not built in ${cache}: run test/cluster/cluster.sh build`;
}

/** A real Kubernetes of one node, in namespaces of its own. */
export class Cluster {
  private constructor(private readonly state: string) {}

  static async start(t: Owner): Promise<Cluster> {
    const cluster = new Cluster(await temporaryFolder(t));
    t.teardown(() => cluster.call('down'));
    await cluster.call('up');
    return cluster;
  }

  get kubeconfig(): string {
    return join(this.state, 'test-cluster/kubeconfig');
  }

  /** Runs a command in the node's network. @returns what it prints */
  async run(...command: readonly string[]): Promise<string> {
    return this.call('run', ...command);
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return this.run('kubectl', ...args);
  }

  async apply(...objects: readonly object[]): Promise<void> {
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
    const child = this.spawn('kubectl', 'apply', '--server-side', '-f', '-');
    child.stdin?.end(list);
    const code = await new Promise((resolve) => child.on('exit', resolve));
    if (code !== 0) throw new Error(`kubectl apply ended with ${code}`);
  }

  roost(...args: readonly string[]): Promise<string> {
    return this.run(process.execPath, ROOST, ...args);
  }

  /** Starts Roost in the node's network, until the test ends. */
  startRoost(t: Owner, ...args: readonly string[]): void {
    const child = this.spawn(process.execPath, ROOST, ...args);
    const ended = new Promise((resolve) => child.on('exit', resolve));
    t.teardown(async () => {
      child.kill('SIGTERM');
      await ended;
    });
  }

  private spawn(...command: readonly string[]): ChildProcess {
    return spawn(SCRIPT, ['run', ...command], { env: this.env, stdio: ['pipe', 'ignore', 'inherit'] });
  }

  private get env(): NodeJS.ProcessEnv {
    return { ...process.env, KUBE_STATE: this.state };
  }

  private async call(...args: readonly string[]): Promise<string> {
    const { stdout } = await run(SCRIPT, args, { env: this.env, maxBuffer: MAX_OUTPUT });
    return stdout;
  }
}
