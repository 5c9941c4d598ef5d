import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Backend } from '../support/backend.js';
import { temporaryFolder } from '../support/folder.js';
import { TestMesh } from '../support/mesh.js';
import { checkout } from '../support/shop.js';

/** What docs/proxy-settings.md says of clients, compared with what those do that are installed here. */

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

const UNDICI = `
import { createRequire } from 'node:module';
const { EnvHttpProxyAgent, setGlobalDispatcher } = createRequire(${JSON.stringify(`${ROOT}package.json`)})('undici');
setGlobalDispatcher(new EnvHttpProxyAgent());`;
const FETCH = 'console.log(await (await fetch(process.argv[2])).text());';
const PROGRAMS = {
  'fetch.mjs': FETCH,
  'undici.mjs': `${UNDICI}\n${FETCH}`,
  'request.mjs': `import { get } from 'node:http'; get(process.argv[2], (r) => r.pipe(process.stdout));`,
  'with-urllib.py': 'import sys, urllib.request\nprint(urllib.request.urlopen(sys.argv[1]).read().decode())',
  'with-requests.py': 'import sys, requests\nprint(requests.get(sys.argv[1]).text)',
  'get.go': `package main
import ("io"; "net/http"; "os")
func main() { r, err := http.Get(os.Args[1]); if err != nil { panic(err) }; io.Copy(os.Stdout, r.Body) }`,
  'Get.java': `import java.net.URI; import java.net.http.*;
public class Get { public static void main(String[] a) throws Exception {
  var request = HttpRequest.newBuilder(URI.create(a[0])).version(HttpClient.Version.HTTP_1_1).build();
  System.out.println(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body()); } }`,
};
type Program = keyof typeof PROGRAMS;

interface Client {
  /** As in the first column of the table. */
  readonly name: string;
  readonly command: string;
  readonly args?: readonly string[];
  readonly program?: Program;
  /** A module of Python that it needs. */
  readonly module?: string;
  readonly flag?: string;
}

const node = process.execPath;
const CLIENTS: readonly Client[] = [
  { name: 'curl', command: 'curl', args: ['-s'] },
  { name: 'wget', command: 'wget', args: ['-q', '-t', '1', '-O', '-'] },
  { name: 'Node `fetch`', command: node, program: 'fetch.mjs' },
  { name: 'Node `http.request`', command: node, program: 'request.mjs' },
  {
    name: 'Node `fetch` with `--use-env-proxy`',
    command: node,
    program: 'fetch.mjs',
    flag: '--use-env-proxy',
  },
  { name: 'undici `EnvHttpProxyAgent`', command: node, program: 'undici.mjs' },
  { name: 'Python `urllib`', command: 'python3', program: 'with-urllib.py' },
  { name: 'Python `requests`', command: 'python3', program: 'with-requests.py', module: 'requests' },
  { name: 'Go `net/http`', command: 'go', args: ['run'], program: 'get.go' },
  { name: 'Java `HttpClient`', command: 'java', program: 'Get.java' },
  {
    name: 'Java `HttpClient` with `-Dhttp.proxyHost` `-Dhttp.proxyPort`',
    command: 'java',
    program: 'Get.java',
  },
];

/** Rows of the table: yes or no for lower case, upper case, localhost. */
const documented = new Map(
  [
    ...readFileSync(join(ROOT, 'docs/proxy-settings.md'), 'utf8').matchAll(
      /^\| (.+) \| (yes|no) \| (yes|no) \| (yes|no) \|$/gm,
    ),
  ].map(([, name = '', ...cells]) => [name, cells.map((cell) => cell === 'yes')] as const),
);

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const own = Object.entries(process.env).filter(([name]) => !/_proxy$|^REQUEST_METHOD$/i.test(name));
  const options = { env: { ...Object.fromEntries(own), ...env }, timeout: 60_000 };
  return new Promise((resolve) =>
    execFile(command, args, options, (error, stdout) => resolve(error === null ? stdout : undefined)),
  );
}

const isInstalled = (command: string) =>
  command === node ||
  (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, command)));

async function missing({ command, module, flag }: Client): Promise<string | false> {
  if (!isInstalled(command)) return `${command} is not installed`;
  if (flag !== undefined && !process.allowedNodeEnvironmentFlags.has(flag)) return `this Node has no ${flag}`;
  if (module === undefined) return false;
  return (
    (await run(command, ['-c', `import ${module}`], {})) === undefined && `no module ${module} of Python`
  );
}

t.test('the table has the clients that are tested, and no other', async (t) => {
  t.strictSame(
    [...documented.keys()],
    CLIENTS.map(({ name }) => name),
  );
});

t.test('clients follow the variables that the table says', async (t) => {
  const folder = await temporaryFolder(t);
  for (const [name, text] of Object.entries(PROGRAMS)) await writeFile(join(folder, name), text);
  const [service, local] = [await Backend.start(t, 'v1'), await Backend.start(t, 'local')];
  const versions = [{ name: 'v1', endpoints: [{ address: service.address }] }];
  const mesh = await TestMesh.start(t, [checkout({ split: { v1: 1 }, spec: { versions } })]);
  // What it is sent that is not for the service, it answers itself.
  const sidecar = await mesh.sidecar({ passthrough: false });
  const proxy = `http://${sidecar.addresses.outbound}`;
  const { hostname, port } = new URL(proxy);
  for (const client of CLIENTS) {
    const { name, command, args = [], program, flag } = client;
    t.test(name, { skip: await missing(client) }, async (t) => {
      const options = name.includes('-D') ? [`-Dhttp.proxyHost=${hostname}`, `-Dhttp.proxyPort=${port}`] : [];
      const call = async (url: string, env: NodeJS.ProcessEnv) => {
        const file = program === undefined ? [] : [join(folder, program)];
        return run(command, [...args, ...(flag ? [flag] : []), ...options, ...file, url], env);
      };
      const reaches = async (env: NodeJS.ProcessEnv) =>
        (await call('http://checkout.shop:8080/', env))?.includes('"backend":"v1"') ?? false;
      const proxied = async (env: NodeJS.ProcessEnv) =>
        !(await call(`http://localhost:${local.port}/`, env))?.includes('"backend":"local"');
      const both = { http_proxy: proxy, HTTP_PROXY: proxy };
      if (options.length > 0) t.ok(await reaches({}), 'by what it is told on its command line');
      else {
        const seen = [await reaches({ http_proxy: proxy }), await reaches({ HTTP_PROXY: proxy })];
        t.strictSame([...seen, await proxied(both)], documented.get(name));
      }
      t.notOk(await proxied({ ...both, NO_PROXY: 'localhost', no_proxy: 'localhost' }), 'NO_PROXY');
    });
  }
});
