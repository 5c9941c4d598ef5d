import t from 'tap';
import { injectManifest, uninjectManifest } from '../../../../src/inject/manifest.js';
import { defaultSettings } from '../../../../src/inject/settings.js';

const SETTINGS = defaultSettings('1.2.3');

/** What is said about a manifest that is not valid. */
function problems(text: string): string[] {
  const result = injectManifest(text, SETTINGS);
  if (result.problems.length > 0) t.equal(result.text, text, 'the text is as it was');
  return result.problems.map(({ line, column, message }) => `${line}:${column}: ${message}`);
}

const POD = 'apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n';

t.test('a text that is not YAML is refused by line', async (t) => {
  t.match(problems(POD.replace('  - name', '\t- name')), [/^6:1: is not valid YAML: .*[Tt]ab/]);
  t.match(problems(`${POD}    name: b\n`), [/^7:5: is not valid YAML: the key "name" is there twice/]);
  t.match(problems(`${POD}    image: !unknown x\n`), [/^7:12: is not valid YAML: unknown tag/]);
  t.match(problems('a: *b\n'), [/is not valid YAML/]);
  t.match(problems(`a: ${'['.repeat(100_000)}`), [/is not valid YAML/]);
  t.match(
    problems(
      'a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e]\n',
    ),
    [/is not valid YAML: .*alias/i],
  );
});

t.test('anchors that an edit would change elsewhere are refused, others are not', async (t) => {
  const template = (labels: string, spec: string) =>
    `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, labels: ${labels}}\nspec:\n  template:\n    metadata: {labels: {app: d}}\n    spec: ${spec}\n`;
  t.same(problems(template('{}', '&spec {containers: [{name: a}]}')), []);
  t.match(problems(`${template('{}', '&spec {containers: [{name: a}]}')}  other: *spec\n`), [
    /^7:17: Deployment d: spec\.template\.spec: has the anchor &spec, which is used elsewhere too; write the other place out/,
  ]);
  t.match(problems(template('&spec {containers: [{name: a}]}', '*spec')), [
    /^7:11: Deployment d: spec\.template\.spec: is the alias \*spec; write the value out/,
  ]);
  t.match(problems(template('{}', '\n      <<: {containers: [{name: a}], volumes: []}')), [
    /spec\.template\.spec\.containers: is not written here; it comes from a merge key/,
  ]);
});

t.test('a pod that is not valid is named with its field and line', async (t) => {
  const text = POD.replace('{name: a}', '\n  name: a\n  annotations:\n    roost.dev/opaque-ports: redis');
  t.same(problems(text), [
    '6:29: Pod a: metadata.annotations["roost.dev/opaque-ports"]: expected ports from 1 to 65535 with commas in between, such as 5432,6379; got "redis"',
  ]);
});

t.test('all problems of all documents are reported', async (t) => {
  const wrong = POD.replace('- name: a', '- name: roost');
  t.equal(problems(`${wrong}---\n${wrong}`).length, 2);
});

t.test('kinds that are not workloads stay byte for byte', async (t) => {
  for (const text of [
    '',
    '# only a comment\n',
    'kind: Deployment\nspec: {template: {spec: {containers: [{name: a}]}}}\n',
    'apiVersion: example.com/v1\nkind: Deployment\nspec: {template: {spec: {}}}\n',
    'apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {workloadRef: {name: d}}\n',
    '- 1\n- 2\n',
    'just text\n',
  ])
    t.same({ ...injectManifest(text, SETTINGS), objects: [] }, { text, objects: [], problems: [] }, text);
});

t.test('comments, blank lines and odd indentation survive, whatever surrounds the edits', async (t) => {
  const variants = [
    'apiVersion: v1\nkind: Pod\nmetadata:\n    name: a # here\n\n    # above\n    annotations: # beside\n        x: y\n\n\nspec:\n        containers:\n                - name: a\n                  args:\n                  - |\n                    text\n\n                # below\n\n        volumes:\n        - name: v\n          # last\n\n# end\n',
    'apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n  labels: {}\nspec:\n  volumes: []\n  initContainers:\n  containers:\n  -   name: a\n      readinessProbe:\n          tcpSocket:\n              port: http\n      ports: [{containerPort: 80, name: http}]\n',
    'apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {}}\nspec: {containers: [{name: a, startupProbe: { tcpSocket: {port: 80}, periodSeconds: 1 }}, ], volumes: [ {name: v} ]}\n',
    '--- # first\napiVersion: v1\nkind: Pod\nmetadata: {name: a,}\nspec:\n  containers:\n  - name: a\n...\n---\nkind: x\n',
    'apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: a}]\n  dnsPolicy: >-\n    ClusterFirst\n\n  nodeSelector: null',
  ];
  for (const text of variants) {
    const { text: injected, problems } = injectManifest(text, SETTINGS);
    t.same(problems, [], text);
    t.match(injected, 'roost-redirect');
    t.equal(injectManifest(injected, SETTINGS).text, injected, 'idempotent');
    t.equal(uninjectManifest(injected).text, text, 'restored');
  }
});

t.test('hundreds of objects take less than linear patience', async (t) => {
  const text = Array.from({ length: 300 }, (_, i) => POD.replace('name: a}', `name: a${i}}`)).join('---\n');
  const { objects } = injectManifest(text, SETTINGS);
  t.equal(objects.filter(({ outcome }) => outcome === 'injected').length, 300);
});
