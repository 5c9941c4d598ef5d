import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ACCESS_LOG_LEVELS } from '../../../../sidecar/records/access-log.js';
import { ANNOTATIONS, readAnnotations } from '../../../../src/inject/annotations.js';
import { formatProblem } from '../../../../src/model/problems.js';
import { LOG_LEVELS } from '../../../../src/telemetry/logger.js';

function read(annotations: Record<string, string>) {
  return readAnnotations({ metadata: { annotations }, spec: { containers: [{ name: 'a' }] } });
}

function problemOf(name: string, value: string): string | undefined {
  const [problem] = read({ [`roost.dev/${name}`]: value }).problems;
  return problem && formatProblem(problem);
}

t.test('the example of every annotation is valid', async (t) => {
  for (const [name, { example, option }] of Object.entries(ANNOTATIONS)) {
    const { options, problems } = read({ [`roost.dev/${name}`]: example });
    t.same(problems, [], name);
    t.ok(option in options, name);
  }
});

t.test('an annotation that is not valid is named with what would be right', async (t) => {
  const cases: [string, string, RegExp][] = [
    ['exclude-inbound-ports', '80,http', /expected ports from 1 to 65535 .*; got "80,http"/],
    ['exclude-outbound-ports', '0', /expected ports from 1 to 65535/],
    ['exclude-outbound-ports', '65536', /expected ports/],
    ['opaque-ports', '80,', /expected ports/],
    ['exclude-outbound-cidrs', '10.0.0.1', /one address: 10\.8\.0\.1\/32/],
    ['exclude-outbound-cidrs', '10.0.0.0/33', /expected address ranges/],
    ['exclude-outbound-cidrs', 'fd00::/129', /expected address ranges/],
    ['release', 'a b', /expected a release name/],
    ['service', 'Checkout', /expected a name .* such as checkout/],
    ['sidecar', 'initcontainer', /expected one of native, container/],
    ['log-level', 'verbose', /expected one of trace, debug/],
    ['hold-seconds', '8s', /expected whole seconds from 0 to 999, such as 8; got "8s"/],
    ['memory-limit', '512MB', /expected a quantity of Kubernetes, such as 100m or 128Mi/],
    ['cpu-request', '0', /expected a quantity/],
    ['exclude-inbound-port', '80', /did you mean roost\.dev\/exclude-inbound-ports\?/],
    ['frobnicate', '1', /is not an annotation of Roost; after roost\.dev\/ comes one of service, release/],
    ['inject', 'enabled', /is a label, not an annotation/],
  ];
  for (const [name, value, expected] of cases) {
    const problem = problemOf(name, value);
    t.match(problem, expected, `${name}: ${value}`);
    t.ok(problem?.startsWith(`metadata.annotations["roost.dev/${name}"]: `), 'names the annotation');
  }
});

t.test('every problem is reported, not only the first', async (t) => {
  t.equal(read({ 'roost.dev/release': '-', 'roost.dev/log-level': 'x' }).problems.length, 2);
});

t.test('levels are those that the sidecar takes', async (t) => {
  for (const level of LOG_LEVELS) t.equal(problemOf('log-level', level), undefined, level);
  for (const level of ACCESS_LOG_LEVELS) t.equal(problemOf('access-log', level), undefined, level);
});

t.test('docs/injection.md has every annotation with its example', async (t) => {
  const file = fileURLToPath(new URL('../../../../../docs/injection.md', import.meta.url));
  const rows = [...readFileSync(file, 'utf8').matchAll(/^\| `roost\.dev\/([\w-]+)` \| `([^`]+)` \|/gm)];
  const documented = Object.fromEntries(rows.map(([, name, example]) => [name, example]));
  t.same(
    documented,
    Object.fromEntries(Object.entries(ANNOTATIONS).map(([name, { example }]) => [name, example])),
  );
});
