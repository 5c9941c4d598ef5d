import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Owner } from './owner.js';
import { findPeer } from './peers.js';
import { isRunning } from './processes.js';

/**
 * Pods without Kubernetes: network namespaces on one bridge, with addresses of both families. The bridge has a
 * namespace of its own, so nothing of the machine's own network is touched.
 */

const AGENT = fileURLToPath(new URL('./namespace-agent.js', import.meta.url));
const COMMAND_TIMEOUT_MS = 20_000;
const PREFIX = 'roost-test-';

/** For a test's `skip`: why there can be no namespaces here; false where there can, or where they have to be. */
export function whyNoNamespaces(): string | false {
  const ip = findPeer(undefined, 'ip');
  if (ip.skip !== false) return ip.skip;
  const mayBeMissing = process.env.ROOST_REQUIRE_PEERS !== '1';
  const isRoot = process.getuid?.() === 0;
  return !isRoot && mayBeMissing && 'network namespaces need root';
}

export class NetworkNamespaces {
  private readonly names: string[] = [];
  private pods = 0;

  private constructor(private readonly owner: Owner) {}

  /** Everything is gone when the owner ends, and what a killed run has left is gone now. */
  static create(owner: Owner): NetworkNamespaces {
    removeLeftovers();
    const created = new NetworkNamespaces(owner);
    owner.teardown(() => created.names.forEach(removeNamespace));
    const bridge = created.add('bridge');
    ip('-n', bridge, 'link', 'add', 'br0', 'type', 'bridge');
    ip('-n', bridge, 'addr', 'add', '10.77.0.1/16', 'dev', 'br0');
    ip('-n', bridge, 'addr', 'add', 'fd77::1/64', 'dev', 'br0', 'nodad');
    ip('-n', bridge, 'link', 'set', 'br0', 'up');
    return created;
  }

  /** A namespace on the bridge, with the bridge as its gateway. */
  addPod(): Pod {
    this.pods++;
    const number = this.pods + 1;
    const [bridge] = this.names as [string];
    const name = this.add(`pod${number}`);
    ip('-n', bridge, 'link', 'add', `v${number}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    ip('-n', bridge, 'link', 'set', `v${number}`, 'master', 'br0', 'up');
    const pod = new Pod(this.owner, name, `10.77.0.${number}`, `fd77::${number.toString(16)}`);
    ip('-n', name, 'addr', 'add', `${pod.ipv4}/16`, 'dev', 'eth0');
    ip('-n', name, 'addr', 'add', `${pod.ipv6}/64`, 'dev', 'eth0', 'nodad');
    ip('-n', name, 'link', 'set', 'eth0', 'up');
    ip('-n', name, 'route', 'add', 'default', 'via', '10.77.0.1');
    ip('-n', name, '-6', 'route', 'add', 'default', 'via', 'fd77::1');
    return pod;
  }

  private add(what: string): string {
    const name = `${PREFIX}${process.pid}-${what}`;
    ip('netns', 'add', name);
    this.names.push(name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
    return name;
  }
}

export interface RunResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Pod {
  constructor(
    private readonly owner: Owner,
    readonly namespace: string,
    readonly ipv4: string,
    readonly ipv6: string,
  ) {}

  /**
   * What to put before a command so that it runs in the pod. It does not outlive the test.
   *
   * @param user its user and group; root by default
   */
  enter(user?: { uid: number; gid: number }): string[] {
    const as = user === undefined ? [] : [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'];
    return ['ip', 'netns', 'exec', this.namespace, 'setpriv', '--pdeathsig=KILL', ...as];
  }

  /** Runs a command to its end. */
  run(command: readonly string[], input = ''): RunResult {
    return this.runAs(undefined, command, input);
  }

  runAs(user: { uid: number; gid: number } | undefined, command: readonly string[], input = ''): RunResult {
    const [program = '', ...args] = [...this.enter(user), ...command];
    const { status, stdout, stderr } = spawnSync(program, args, {
      input,
      encoding: 'utf8',
      timeout: COMMAND_TIMEOUT_MS,
    });
    return { code: status, stdout, stderr };
  }

  /** A program in the pod that listens and connects as it is told. */
  async startAgent(user?: { uid: number; gid: number }): Promise<NamespaceAgent> {
    const [program = '', ...args] = [...this.enter(user), process.execPath, AGENT];
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const exited = once(child, 'close');
    this.owner.teardown(async () => {
      child.kill('SIGKILL');
      await exited;
    });
    return new NamespaceAgent(child.stdin, child.stdout);
  }
}

export interface AgentRequest {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Status 0: there was no answer, and the body is the error. */
export interface AgentAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What became of a connection: the line that the other side said, or the code of the error. */
export type Heard = string;

/** Asks a program in a namespace, which answers in order. */
export class NamespaceAgent {
  private readonly waiting: ((answer: string) => void)[] = [];
  private rest = '';

  constructor(
    private readonly stdin: NodeJS.WritableStream,
    stdout: NodeJS.ReadableStream,
  ) {
    stdout.on('data', (data) => {
      const lines = (this.rest + String(data)).split('\n');
      this.rest = lines.pop() ?? '';
      for (const line of lines) this.waiting.shift()?.(JSON.parse(line) as string);
    });
  }

  /** Greets each connection with the label and the address that it comes from: "app 10.77.0.2". */
  async listen(label: string, host: string, port: number): Promise<void> {
    const answer = await this.ask({ verb: 'listen', label, host, port });
    if (answer !== 'listening') throw new Error(`${host}:${port}: ${answer}`);
  }

  /** Connects, and says what the other side says first. */
  connect(host: string, port: number): Promise<Heard> {
    return this.ask({ verb: 'connect', host, port });
  }

  /** Connects, and keeps the connection; later {@link again} is heard on it. */
  hold(host: string, port: number): Promise<Heard> {
    return this.ask({ verb: 'hold', host, port });
  }

  /** Sends a line on the connection that is held, and says the echo. */
  again(): Promise<Heard> {
    return this.ask({ verb: 'again' });
  }

  /** Answers each datagram with the label. */
  async answerDatagrams(label: string, host: string, port: number): Promise<void> {
    await this.ask({ verb: 'answer-datagrams', label, host, port });
  }

  /** Sends a datagram, and says the answer; nothing is waited for where it is not wanted. */
  datagram(host: string, port: number, wantsAnswer = true): Promise<Heard> {
    return this.ask({ verb: 'datagram', host, port, wantsAnswer });
  }

  /** Answers HTTP requests with the label, the address of the client and the headers, as JSON. */
  async serve(label: string, host: string, port: number): Promise<void> {
    const answer = await this.ask({ verb: 'serve', label, host, port });
    if (answer !== 'listening') throw new Error(`${host}:${port}: ${answer}`);
  }

  /** Sends HTTP requests, several at a time. */
  async requests(requests: readonly AgentRequest[]): Promise<AgentAnswer[]> {
    return JSON.parse(await this.ask({ verb: 'request', requests })) as AgentAnswer[];
  }

  /** Sends a request of each session, `x-user-id: user-N`. @returns the labels of what answers, or the errors */
  async sessions(
    url: string,
    from: number,
    count: number,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<string[]> {
    return JSON.parse(await this.ask({ verb: 'sessions', url, from, count, headers })) as string[];
  }

  async request(url: string, headers: Readonly<Record<string, string>> = {}): Promise<AgentAnswer> {
    const [answer] = await this.requests([{ url, headers }]);
    return answer as AgentAnswer;
  }

  private ask(command: object): Promise<string> {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.stdin.write(`${JSON.stringify(command)}\n`);
    });
  }
}

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8', timeout: COMMAND_TIMEOUT_MS });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
}

function removeNamespace(name: string): void {
  spawnSync('ip', ['netns', 'del', name], { timeout: COMMAND_TIMEOUT_MS });
}

/** Namespaces of test processes that are not there any more. */
function removeLeftovers(): void {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8', timeout: COMMAND_TIMEOUT_MS });
  for (const line of stdout.split('\n')) {
    const found = new RegExp(`^(${PREFIX}(\\d+)-\\S+)`).exec(line);
    if (found !== null && !isRunning(Number(found[2]))) removeNamespace(found[1] as string);
  }
}
