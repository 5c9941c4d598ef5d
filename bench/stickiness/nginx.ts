import { writeFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import type { NamedBackend } from '../../test/support/fast-traffic.js';
import { temporaryFolder } from '../../test/support/folder.js';
import type { Owner } from '../../test/support/owner.js';
import { eventually } from '../../test/support/processes.js';
import { freePorts } from '../free-ports.js';
import { onPath } from '../processes.js';
import { fetchText, ProxyProcess } from './proxy-process.js';
import {
  canaryShare,
  type Pods,
  type StickyPeer,
  type StickyPeerProgram,
  TESTER_HEADER,
  USER_HEADER,
  type Weights,
} from './sticky-peer.js';

/** Old workers finish what they have and close idle connections meanwhile. */
const RELOAD_MS = 300;

type Key = StickyPeerProgram['key'];

const missing = () => (onPath('nginx') === undefined ? 'nginx' : undefined);

export const nginxHeader: StickyPeerProgram = {
  name: 'nginx header',
  how: '`split_clients` of the header, consistent hashing to pods, `error_page` to stable; changed by reload',
  key: 'header',
  spreadMs: 0,
  missing,
  start: (owner, pods, weights) => Nginx.start(owner, 'header', pods, weights),
};

export const nginxCookie: StickyPeerProgram = {
  name: 'nginx cookies',
  how: 'a `map` of a release cookie in front of `split_clients`, a session cookie hashed to pods, `error_page` to stable; changed by reload',
  key: 'cookie',
  spreadMs: 0,
  missing,
  start: (owner, pods, weights) => Nginx.start(owner, 'cookie', pods, weights),
};

interface Instance {
  readonly folder: string;
  readonly port: number;
  readonly process: ProxyProcess;
}

/** Two masters with a worker each; a change writes both files and reloads both. */
class Nginx implements StickyPeer {
  private generation = 0;
  private weights: Weights;

  private constructor(
    private readonly key: Key,
    private readonly instances: readonly [Instance, Instance],
    private pods: Pods,
    weights: Weights,
  ) {
    this.weights = weights;
  }

  static async start(owner: Owner, key: Key, pods: Pods, weights: Weights): Promise<Nginx> {
    const ports = await freePorts(2);
    const instance = async (port: number): Promise<Instance> => {
      const folder = await temporaryFolder(owner);
      await writeFile(`${folder}/nginx.conf`, configuration({ key, folder, port, pods, weights }, 0));
      const args = ['-p', folder, '-c', `${folder}/nginx.conf`, '-e', 'stderr'];
      return { folder, port, process: ProxyProcess.start(owner, 'nginx', args) };
    };
    const [first, second] = (await Promise.all(ports.map(instance))) as [Instance, Instance];
    const nginx = new Nginx(key, [first, second], pods, weights);
    await nginx.inForce();
    return nginx;
  }

  get addresses(): [string, string] {
    const [first, second] = this.instances;
    return [`127.0.0.1:${first.port}`, `127.0.0.1:${second.port}`];
  }

  async split(weights: Weights): Promise<void> {
    this.weights = weights;
    this.generation++;
    const { key, pods } = this;
    for (const { folder, port, process } of this.instances) {
      const text = configuration({ key, folder, port, pods, weights }, this.generation);
      await writeFile(`${folder}/nginx.conf`, text);
      process.signal('SIGHUP');
    }
    await this.inForce();
    await wait(RELOAD_MS);
  }

  drain(): Promise<void> {
    return this.split({ v1: this.weights.v1, v2: 0 });
  }

  remove(): Promise<void> {
    this.pods = { ...this.pods, v2: [] };
    return this.drain();
  }

  replace(pods: readonly NamedBackend[], weights: Weights): Promise<void> {
    this.pods = { ...this.pods, v2: pods };
    return this.split(weights);
  }

  private async inForce(): Promise<void> {
    for (const { port, process } of this.instances)
      await eventually(`nginx serves generation ${this.generation}`, async () => {
        process.assertRuns();
        return (await fetchText(port, '/generation')) === String(this.generation);
      });
  }
}

interface Wanted {
  readonly key: Key;
  readonly folder: string;
  readonly port: number;
  readonly pods: Pods;
  readonly weights: Weights;
}

function configuration({ key, folder, port, pods, weights }: Wanted, generation: number): string {
  const session = key === 'header' ? `$http_${USER_HEADER.replaceAll('-', '_')}` : '$session';
  const share = canaryShare(weights) / 100;
  const releases = Object.entries(pods).filter(([, list]) => list.length > 0);
  const names = releases.map(([name]) => name);
  const temporary = ['proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${folder}/${name};\n`)
    .join('');
  return `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
${temporary}${key === 'header' ? '' : cookieMaps(names)}  split_clients "${session}" $by_split {
${share > 0 ? `    ${share}% v2;\n` : ''}    * v1;
  }
  map $http_${TESTER_HEADER.replaceAll('-', '_')} $release {
    yes ${names.at(-1)};
    default ${key === 'header' ? '$by_split' : '$by_cookie'};
  }
${releases.map(([name, list]) => upstream(name, session, list)).join('')}  server {
    listen 127.0.0.1:${port};
    location = /generation { return 200 "${generation}"; }
    location / {
      proxy_pass http://$release;
      error_page 502 504 = @stable;
${forwarding(key)}    }
    location @stable {
      proxy_pass http://v1;
${forwarding(key)}    }
  }
}
`;
}

/** A session's cookie decides its release; a label, or a session without one, sets it. */
function cookieMaps(releases: readonly string[]): string {
  const known = releases.map((name) => `${name} ${name};`).join(' ');
  return `  map $cookie_session $session { "" $request_id; default $cookie_session; }
  map $cookie_session $new_session { "" "session=$request_id; Path=/; HttpOnly"; default ""; }
  map $cookie_release $by_cookie { ${known} default $by_split; }
  map "$cookie_release $release" $new_release { "v1 v1" ""; "v2 v2" ""; default "release=$release; Path=/; HttpOnly"; }
`;
}

function forwarding(key: Key): string {
  const cookies = '      add_header Set-Cookie $new_session;\n      add_header Set-Cookie $new_release;\n';
  return `      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_connect_timeout 1s;
      proxy_next_upstream error timeout;
${key === 'header' ? '' : cookies}`;
}

function upstream(release: string, session: string, pods: readonly NamedBackend[]): string {
  const servers = pods.map(({ address }) => `    server ${address} max_fails=1 fail_timeout=1s;\n`);
  return `  upstream ${release} {
    hash ${session} consistent;
${servers.join('')}    keepalive 64;
  }
`;
}
