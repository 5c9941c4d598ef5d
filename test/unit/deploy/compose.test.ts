import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, normalize } from 'node:path';
import t from 'tap';
import { readSettings } from '../../../examples/shop/settings.js';
import { MESH_FOLDER } from '../../../examples/shop/shop.js';
import { parseMeshService } from '../../../src/model/mesh-service.js';
import { readFiles } from '../../../src/model/read-files.js';
import {
  COMPOSE_FILE,
  environmentOf,
  flagOf,
  podsOf,
  portOf,
  ROOT,
  readCompose,
} from '../../support/compose.js';
import { entrypointOf, readDockerfile } from '../../support/dockerfile.js';
import { roost } from '../../support/processes.js';

const compose = readCompose();
const services = Object.entries(compose.services);
const pods = podsOf(compose);
const stages = readDockerfile();
const mesh = readFiles([join(ROOT, MESH_FOLDER)]).documents.map(({ value }) => parseMeshService(value));

const ofImage = (target: string) => services.filter(([, { build }]) => build?.target === target);

interface Help {
  readonly flags: ReadonlySet<string>;
  readonly variables: ReadonlySet<string>;
}

/** What `roost VERB --help` says that the verb takes. */
async function helpOf(verb: string): Promise<Help & { readonly text: string }> {
  const { code, stdout } = await roost([verb, '--help']);
  if (code !== 0) throw new Error(`there is no command "roost ${verb}"`);
  const text = stdout.replace(/\s+/g, ' ');
  return {
    text,
    flags: new Set([...stdout.matchAll(/^\s+(?:-\w, )?--([a-z-]+)/gm)].map((found) => found[1] as string)),
    variables: new Set([...text.matchAll(/env: (ROOST_[A-Z_]+)/g)].map((found) => found[1] as string)),
  };
}

t.test('every command is one of roost, with flags and variables that it has', async (t) => {
  const help = new Map<string, Help>();
  for (const [name, service] of ofImage('roost')) {
    const [verb = '', ...words] = service.command;
    const { flags, variables } = help.get(verb) ?? (await helpOf(verb));
    help.set(verb, { flags, variables });
    for (const word of words) t.ok(flags.has(word.replace(/^--|=.*$/g, '')), `${name}: ${verb} ${word}`);
    for (const variable of Object.keys(environmentOf(service)))
      t.ok(variables.has(variable), `${name}: ${verb} reads ${variable}`);
  }
});

t.test('every value is one that roost takes', async (t) => {
  for (const [name, service] of ofImage('roost')) {
    // All problems are reported together: with a wrong one added, it has to be the only one.
    const args = [...service.command, '--log-level=loud'];
    const { code, stderr } = await roost(args, { env: environmentOf(service) });
    t.equal(code, 2, name);
    t.match(stderr, /^--log-level: "loud" is not one of [^\n]*\nroost: nothing was done[^\n]*\n$/, name);
  }
});

t.test('every app has a role, and reads every variable that it is given', async (t) => {
  for (const [name, service] of ofImage('shop')) {
    const read = new Set<string>();
    const env = new Proxy(environmentOf(service), {
      get(target, variable: string) {
        read.add(variable);
        return target[variable];
      },
    });
    readSettings(service.command[0], env);
    t.equal(service.command.length, 1, name);
    t.strictSame(
      Object.keys(environmentOf(service)).filter((variable) => !read.has(variable)),
      [],
      name,
    );
  }
});

t.test('every image is a stage of the Dockerfile that runs the right program as a plain user', async (t) => {
  for (const [name, { build, image }] of services) {
    const stage = stages.find((one) => one.name === build?.target);
    if (stage === undefined) return t.fail(`${name}: there is no stage ${build?.target}`);
    t.ok(existsSync(join(ROOT, build?.context ?? '', 'Dockerfile')), name);
    t.equal(
      new Set(services.filter(([, s]) => s.image === image).map(([, s]) => s.build?.target)).size,
      1,
      name,
    );
    t.equal(stage.instructions.findLast((one) => one.name === 'USER')?.rest, 'node', name);
    const [program, script = ''] = entrypointOf(stage);
    t.equal(program, 'node');
    t.ok(existsSync(join(ROOT, script.replace(/^\/app\//, ''))), `${name} runs ${script}`);
  }
  t.equal(stages.at(-1)?.name, 'roost', 'what "docker build ." makes');
});

t.test('every stage is built on one base, which is named by digest', async (t) => {
  t.equal(new Set(stages.map(({ base }) => base)).size, 1);
  for (const { name, base } of stages) t.match(base, /^node:24[\w.-]*@sha256:[0-9a-f]{64}$/, name);
});

t.test('every mounted path and every volume exists', async (t) => {
  for (const [name, { volumes = [] }] of services) {
    for (const volume of volumes) {
      const [source = '', target = ''] = volume.split(':');
      if (source.startsWith('.')) t.ok(existsSync(join(ROOT, source)), `${name}: ${source}`);
      else t.ok(source in compose.volumes, `${name}: ${source}`);
      t.ok(
        compose.services[name]?.command.some((word) => word.endsWith(`=${target}`)),
        `${name} uses ${target}`,
      );
    }
  }
});

t.test('the demo and the Compose file use the same configuration', async (t) => {
  const [source = '', target] = compose.services['control-plane']?.volumes?.[0]?.split(':') ?? [];
  t.equal(normalize(source), MESH_FOLDER);
  t.equal(flagOf(compose.services['control-plane'] ?? { command: [] }, 'config'), target);
  t.equal(mesh.length, 3);
});

t.test('every sidecar shares the network of an app, and every app has one sidecar', async (t) => {
  const sidecars = services.filter(([, { command }]) => command[0] === 'sidecar');
  for (const [name, { network_mode }] of sidecars)
    t.ok(compose.services[network_mode?.replace(/^service:/, '') ?? ''], `${name}: ${network_mode}`);
  t.strictSame(
    pods.map(({ name }) => name).sort(),
    ofImage('shop')
      .map(([name]) => name)
      .sort(),
  );
  for (const [name, { depends_on = {} }] of services) {
    for (const other of Object.keys(depends_on))
      t.ok(compose.services[other]?.healthcheck, `${name} waits for ${other}, which tells when it is ready`);
  }
});

t.test('in every pod the ports agree', async (t) => {
  for (const { name, app, sidecar } of pods) {
    const { port, upstream } = readSettings(app.command[0], environmentOf(app));
    t.equal(
      flagOf(sidecar, 'app'),
      `127.0.0.1:${port}`,
      `${name}: the sidecar hands calls to the app's port`,
    );
    const own = ['app', 'inbound', 'outbound', 'admin'].map((flag) => portOf(flagOf(sidecar, flag)));
    t.equal(new Set(own).size, own.length, `${name}: ${own} are four ports`);
    for (const published of app.ports ?? [])
      t.equal(
        portOf(published),
        portOf(flagOf(sidecar, 'inbound')),
        `${name}: ${published} leads to the sidecar`,
      );
    if (upstream === undefined) continue;
    const { hostname, port: dialled } = new URL(upstream);
    t.ok(app.extra_hosts?.includes(`${hostname}:127.0.0.1`), `${name}: ${hostname} is the pod's own sidecar`);
    t.equal(
      flagOf(sidecar, 'outbound'),
      `127.0.0.1:${dialled}`,
      `${name}: which listens where the app dials`,
    );
    const service = mesh.find((one) => one.name === hostname);
    t.equal(service?.spec.port, Number(dialled), `${name}: and is a service of the mesh on that port`);
  }
});

t.test('every release of the mesh is the alias of its pods, on their inbound port', async (t) => {
  for (const { name, namespace, spec } of mesh) {
    for (const version of spec.versions) {
      const [host, port] = version.dns?.split(':') ?? [];
      const found = pods.filter(({ app }) => app.networks?.default.aliases.includes(host ?? ''));
      t.ok(found.length > 0, `${version.dns} is an alias`);
      for (const { name: pod, app, sidecar } of found) {
        t.equal(flagOf(sidecar, 'inbound'), `0.0.0.0:${port}`, pod);
        t.equal(environmentOf(sidecar).ROOST_SERVICE, `${name}.${namespace}`, pod);
        t.equal(environmentOf(sidecar).ROOST_RELEASE, version.name, pod);
        t.equal(app.command[0], name, pod);
        t.equal(environmentOf(app).VERSION, version.name, pod);
      }
    }
  }
});

t.test('the control plane is where the sidecars and the host look for it', async (t) => {
  const controlPlane = compose.services['control-plane'] ?? { command: [] };
  const grpc = portOf(flagOf(controlPlane, 'grpc'));
  for (const { name, sidecar } of pods)
    t.equal(flagOf(sidecar, 'control-plane'), `control-plane:${grpc}`, name);
  const { text } = await helpOf('status');
  const [, wanted] = /--control-plane .*?default: (\S+?);/.exec(text) ?? [];
  t.ok(controlPlane.ports?.includes(`${wanted}:${grpc}`), `published at ${wanted}, where the command looks`);
});

t.test('every health check asks a path that its program serves, on its own port', async (t) => {
  const expected = (verb: string | undefined, service: (typeof services)[number][1]) => {
    if (verb === 'control-plane') return `127.0.0.1:${portOf(flagOf(service, 'http'))}/ready`;
    if (verb === 'sidecar') return `${flagOf(service, 'admin')}/ready`;
    return `127.0.0.1:${environmentOf(service).PORT}/healthz`;
  };
  for (const [name, service] of services)
    t.match(service.healthcheck?.test.join(' '), `http://${expected(service.command[0], service)}'`, name);
});

/** The Compose that this machine has, if any; the file needs no engine to be read. */
function findCompose(): readonly string[] | undefined {
  const candidates = [['docker', 'compose'], ['docker-compose']] as const;
  return candidates.find(([program, ...args]) => spawnSync(program, [...args, 'version']).status === 0);
}

const found = findCompose();
const mayBeMissing = process.env.ROOST_REQUIRE_PEERS !== '1';
const skip =
  found === undefined && mayBeMissing && 'neither "docker compose" nor "docker-compose" is on this machine';
t.test('Compose itself accepts the file', { skip }, async (t) => {
  const [program = '', ...args] = found ?? [];
  const result = spawnSync(program, [...args, '-f', COMPOSE_FILE, 'config', '--quiet'], { encoding: 'utf8' });
  t.equal(result.status, 0, result.stderr);
});
