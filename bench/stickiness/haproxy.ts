import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import type { NamedBackend } from '../../test/support/fast-traffic.js';
import { temporaryFolder } from '../../test/support/folder.js';
import { eventually } from '../../test/support/processes.js';
import { freePorts } from '../free-ports.js';
import { onPath } from '../processes.js';
import {
  type Pods,
  type StickyPeer,
  type StickyPeerProgram,
  USER_HEADER,
  type Weights,
} from './sticky-peer.js';

const NAMES = ['a', 'b'] as const;
const RESYNC_MS = 7000;

/** Two instances whose stick tables are `peers`; changed over the runtime API, where servers are slots that stay. */
export const haproxyPeers: StickyPeerProgram = {
  name: 'HAProxy',
  how: 'header in stick tables with peers; weights and addresses by the runtime API',
  missing: () => (onPath('haproxy') === undefined ? 'haproxy' : undefined),
  async start(owner, pods, weights) {
    const folder = await temporaryFolder(owner);
    const [a, b, peerA, peerB] = (await freePorts(4)) as [number, number, number, number];
    const sockets = NAMES.map((name) => join(folder, `${name}.sock`));
    await Promise.all(
      NAMES.map(async (name, i) => {
        const file = join(folder, `${name}.cfg`);
        const config = configuration({ port: [a, b][i] as number, peers: [peerA, peerB], pods, weights });
        await writeFile(file, config.replace('SOCKET', sockets[i] as string));
        const running = spawn('haproxy', ['-db', '-L', name, '-f', file], { stdio: 'ignore' });
        owner.teardown(async () => {
          running.kill('SIGKILL');
          if (running.exitCode === null && running.signalCode === null) await once(running, 'exit');
        });
      }),
    );
    const haproxy = new HaproxyPeers([`127.0.0.1:${a}`, `127.0.0.1:${b}`], sockets, pods);
    await eventually('HAProxy answers on its sockets', async () => {
      const answers = await haproxy.ask('show peers').catch(() => []);
      return answers.length === 2 && answers.every((answer) => /last_status=(ESTA|MESG)/.test(answer));
    });
    // Peers that have just met first teach each other all that they have; in a fleet they met long ago.
    await wait(RESYNC_MS);
    return haproxy;
  },
};

class HaproxyPeers implements StickyPeer {
  constructor(
    readonly addresses: readonly [string, string],
    private readonly sockets: readonly string[],
    private readonly pods: Pods,
  ) {}

  async split(weights: Weights): Promise<void> {
    for (const [release, pods] of Object.entries(this.pods))
      for (const { name } of pods)
        await this.ask(`set server pods/${name} weight ${weights[release as 'v1' | 'v2']}`);
  }

  async drain(): Promise<void> {
    for (const { name } of this.pods.v2) await this.ask(`set server pods/${name} state drain`);
  }

  /** What a controller does that fills a fixed number of server slots: as the runtime API is made for. */
  async replace(pods: readonly NamedBackend[], weights: Weights): Promise<void> {
    for (const [i, { port }] of pods.entries()) {
      const slot = this.pods.v2[i]?.name;
      await this.ask(`set server pods/${slot} addr 127.0.0.1 port ${port}`);
      await this.ask(`set server pods/${slot} state ready`);
    }
    await this.split(weights);
  }

  /** Of both instances. */
  ask(command: string): Promise<string[]> {
    return Promise.all(
      this.sockets.map(async (path) => {
        const socket = connect(path);
        socket.end(`${command}\n`);
        return text(socket);
      }),
    );
  }
}

interface Instance {
  readonly port: number;
  readonly peers: readonly [number, number];
  readonly pods: Pods;
  readonly weights: Weights;
}

function configuration({ port, peers, pods, weights }: Instance): string {
  const servers = Object.entries(pods).flatMap(([release, list]) =>
    list.map(
      ({ name, address }) =>
        `    server ${name} ${address} weight ${weights[release as 'v1' | 'v2']} check inter 200ms fall 2 rise 1`,
    ),
  );
  return `global
    nbthread 1
    stats socket SOCKET level admin
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    retries 3
    retry-on conn-failure
    option redispatch 1
peers mates
    peer a 127.0.0.1:${peers[0]}
    peer b 127.0.0.1:${peers[1]}
frontend calls
    bind 127.0.0.1:${port}
    default_backend pods
backend pods
    balance roundrobin
    stick-table type string len 64 size 200k expire 1h peers mates
    stick on req.hdr(${USER_HEADER})
${servers.join('\n')}
`;
}
