import { execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readBoundedFile } from '../../../../src/lifecycle/bounded-file.js';
import { checkDocuments } from '../../../../src/model/check-documents.js';
import { unfoldLists } from '../../../../src/model/lists.js';
import { hostConflicts } from '../../../../src/model/mesh.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { readFiles } from '../../../../src/model/read-files.js';
import { formatLocated, parseYaml } from '../../../../src/model/yaml-source.js';
import { temporaryFolder } from '../../../support/folder.js';

/** A document that no file holds. */
const NOWHERE = { file: '-', locate: () => ({ line: 1, column: 1 }), plainNumbers: () => [] };

const SERVICE = `apiVersion: roost.dev/v1alpha1
kind: MeshService
metadata: { name: cart, namespace: shop }
spec:
  port: 80
  versions: [{ name: v1, endpoints: [{ address: "10.0.0.1:80" }] }]
`;

function problemsOf(content: string | Uint8Array): string[] {
  const { documents, problems } = unfoldLists(parseYaml('a.yaml', content));
  return [...problems, ...checkDocuments(documents)].map(formatLocated);
}

const utf16 = (text: string, bigEndian = false) => {
  const bytes = Buffer.from(text, 'utf16le');
  return bigEndian ? bytes.swap16() : bytes;
};

t.test('UTF-8 is read, with a byte-order mark at its beginning or without', async (t) => {
  for (const content of [SERVICE, `\ufeff${SERVICE}`]) {
    t.strictSame(problemsOf(content), []);
    t.strictSame(problemsOf(Buffer.from(content)), []);
  }
  const { documents } = parseYaml('a.yaml', Buffer.from('a: "Straße \ufffd 😀"\n'));
  t.strictSame(documents[0]?.value, { a: 'Straße \ufffd 😀' });
});

t.test('any other encoding is refused, with what to do about it', async (t) => {
  const save = 'save the file as UTF-8, without a byte-order mark';
  const of = (bytes: Buffer) => problemsOf(bytes);
  t.strictSame(of(utf16(`\ufeff${SERVICE}`)), [`a.yaml:1:1: is UTF-16; ${save}`]);
  t.strictSame(of(utf16(`\ufeff${SERVICE}`, true)), [`a.yaml:1:1: is UTF-16; ${save}`]);
  t.strictSame(of(utf16(SERVICE)), [`a.yaml:1:1: is UTF-16; ${save}`], 'without a mark, too');
  t.strictSame(of(Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0])), [`a.yaml:1:1: is UTF-32; ${save}`]);
  const latin1 = Buffer.from(`${SERVICE}# a\n# \ufffd of its own\n`.replace('\ufffd', 'caf\u00e9'), 'latin1');
  t.strictSame(of(latin1), [`a.yaml:8:6: is not UTF-8 (the byte 0xE9), perhaps Latin-1; ${save}`]);
  t.strictSame(of(Buffer.concat([Buffer.from('a: \ufffd\n'), Buffer.from([0x62, 0xfc])])), [
    `a.yaml:2:2: is not UTF-8 (the byte 0xFC), perhaps Latin-1; ${save}`,
  ]);
});

t.test('a byte-order mark in the middle, and control characters, are named', async (t) => {
  t.match(problemsOf(`${SERVICE}---\n\ufeff${SERVICE.replace('cart', 'pay')}`), [
    /^a\.yaml:8:1: has a byte-order mark in the middle, as files have that were joined; save the file as UTF-8/,
  ]);
  t.match(problemsOf('a: b\u0000c\n'), [/^a\.yaml:1:5: has a control character \(U\+0000\); take it out$/]);
  t.match(problemsOf('a: 1\nb: \u001b[31m\n'), [/^a\.yaml:2:4: has a control character \(U\+001B\)/]);
});

t.test('a tag that nothing resolves is not passed over', async (t) => {
  t.match(problemsOf(SERVICE.replace('port: 80', 'port: !env PORT')), [
    /^a\.yaml:5:9: is not valid YAML: unknown tag: !env; write the value itself$/,
  ]);
  t.match(problemsOf(`${SERVICE}  hosts: !vault [a]\n`), [/unknown tag: !vault; write the value itself$/]);
  t.strictSame(
    problemsOf(SERVICE.replace('port: 80', 'port: !!int 80')),
    [],
    'those of YAML itself are known',
  );
});

t.test('a key that is there twice is named, whatever the size of the map', async (t) => {
  t.match(problemsOf(`${SERVICE}kind: MeshService\n`), [/^a\.yaml:7:1: .*the key "kind" is there twice$/]);
  const keys = Array.from({ length: 20_000 }, (_, i) => `k${i}: ${i}\n`);
  const { documents, problems } = parseYaml('a.yaml', keys.join(''));
  t.strictSame([documents.length, problems.length], [1, 0]);
  const found = problemsOf(keys.join(''));
  t.equal(found.length, 101, 'a hundred problems are told apart');
  t.match(found.at(-1), /and \d+ more problems in this document$/);
  t.match(problemsOf([...keys, 'k7: again\n'].join('')), [
    /^a\.yaml:20001:1: .*the key "k7" is there twice$/,
  ]);
});

t.test('what is nested without end is refused', async (t) => {
  for (const open of ['[', '{a: ']) {
    const found = problemsOf(open.repeat(100_000));
    t.match(found[0], /^a\.yaml:1:\d+: is not valid YAML: it is nested too deeply$/);
    t.equal(found.length, 1);
  }
});

t.test('numbers that readers of YAML take for different ones are refused', async (t) => {
  const withPort = (port: string) => problemsOf(SERVICE.replace('port: 80', `port: ${port}`));
  const because = 'is octal for some readers of YAML and not for others';
  t.match(withPort('010'), [
    `a.yaml:5:3: spec.port: 010 ${because}; write "010" for a text, or a number without`,
  ]);
  t.match(withPort('0o17'), [`spec.port: 0o17 ${because}`]);
  t.match(withPort('-010')[0], because);
  for (const fine of ['80', '0x50', '8e1']) t.strictSame(withPort(fine), [], fine);
  t.match(problemsOf(SERVICE.replace('name: v1', 'name: 007'))[0], `spec.versions[0].name: 007 ${because}`);
});

t.test('a version that looks like a number is told with quotes, as it was written', async (t) => {
  const [problem] = problemsOf(SERVICE.replace('name: v1', 'name: 1.10'));
  t.match(
    problem,
    /^a\.yaml:6:\d+: spec\.versions\[0\]\.name: must be a text; found 1\.1; put it in quotes: "1\.10"$/,
  );
  t.match(
    problemsOf(`${SERVICE}  stable: 2.0\n`)[0],
    /spec\.stable: must be a text; found 2; put it in quotes: "2\.0"$/,
  );
  t.match(problemsOf(`${SERVICE}  stable: true\n`)[0], /found true; put it in quotes: "true"$/);
  t.match(problemsOf(`${SERVICE}  stable: [v1]\n`)[0], /must be a text; found a list$/);
});

t.test('the items of a list are documents, each at its own lines', async (t) => {
  const item = (name: string, port: string) =>
    `- ${SERVICE.replace('cart', name).replace('port: 80', `port: ${port}`).trimEnd().replaceAll('\n', '\n  ')}\n`;
  const list = (...items: string[]) => `apiVersion: v1\nkind: List\nitems:\n${items.join('')}`;
  const { documents, problems } = unfoldLists(parseYaml('a.yaml', list(item('a', '80'), item('b', '81'))));
  t.strictSame(problems, []);
  t.strictSame(
    documents.map(({ value }) => parseMeshService(value).name),
    ['a', 'b'],
  );
  t.match(problemsOf(list(item('a', '80'), item('b', '010'))), [/^a\.yaml:14:5: spec\.port: 010 is octal/]);
  t.match(problemsOf(list(item('a', '80'), item('a', '80'))), [/^a\.yaml:12:15: metadata\.name: .*already/]);
  t.match(problemsOf('kind: List\nitems: none\n'), [/^a\.yaml:2:1: items: is required of a List/]);
  t.strictSame(problemsOf('kind: List\nitems: []\n'), []);
});

t.test('labels and annotations are taken as Kubernetes takes them', async (t) => {
  const withMetadata = (text: string) =>
    problemsOf(SERVICE.replace('{ name: cart, namespace: shop }', `{ name: cart, ${text} }`));
  t.strictSame(withMetadata('labels: { app.kubernetes.io/name: cart, empty: "" }'), []);
  t.strictSame(withMetadata('annotations: { example.com/note: "anything, at all: ü" }'), []);
  t.match(withMetadata('labels: { version: 1.10 }'), [
    /metadata\.labels\.version: must be a text; found 1\.1; put it in quotes: "1\.10"$/,
  ]);
  t.match(withMetadata('labels: { a: "b c" }'), [/metadata\.labels\.a: "b c" is not a value of a label/]);
  t.match(withMetadata('labels: { "a b": c }'), [/metadata\.labels\["a b"\]: .*is not a key/]);
  t.match(withMetadata(`annotations: { a: "${'x'.repeat(262_145)}" }`), [/are larger than 256 KiB/]);
  t.match(withMetadata('label: { a: b }'), [/metadata\.label: unknown field; did you mean "labels"\?/]);
});

t.test('what is no file is not read, nor one past the bound', async (t) => {
  const folder = await temporaryFolder(t);
  execFileSync('mkfifo', [join(folder, 'fifo.yaml')]);
  writeFileSync(join(folder, 'large.yaml'), '');
  truncateSync(join(folder, 'large.yaml'), 17 * 1024 * 1024);
  const { documents, problems } = readFiles([folder, '/dev/zero']);
  t.strictSame(documents, []);
  t.match(problems.map(formatLocated), [
    /fifo\.yaml:1:1: is a pipe \(FIFO\), not a file$/,
    /large\.yaml:1:1: is larger than 16 MiB$/,
    /^\/dev\/zero:1:1: is a device, not a file$/,
  ]);
  t.throws(() => readBoundedFile(folder, { maxBytes: 1 }), /is a folder, not a file/);
  t.throws(() => readBoundedFile('/dev/zero', { maxBytes: 1_048_576, pipes: true }), /is larger than 1 MiB/);
});

t.test('what a document costs grows with its size and no faster', async (t) => {
  const many = <T>(make: (i: number) => T) => Array.from({ length: 20_000 }, (_, i) => make(i));
  const document = (spec: object) => ({
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'cart', namespace: 'shop' },
    spec: { port: 80, versions: [{ name: 'v1', endpoints: [{ address: '10.0.0.1:80' }] }], ...spec },
  });
  const route = (split: object[]) => ({ routes: [{ name: 'all', split }] });
  const address = (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:80`;
  const versions = many((i) => ({ name: `v${i}`, endpoints: [{ address: address(i) }] }));
  const hostile = [
    route(many((i) => ({ version: `w${i}`, weight: 1 }))),
    { versions, ...route(many((i) => ({ version: `w${i}`, weight: 1 }))) },
    { versions, ...route(many((i) => ({ version: `v${i}`, weight: 1 }))) },
  ];
  for (const spec of hostile) {
    const began = performance.now();
    const found = checkDocuments([{ ...NOWHERE, value: document(spec) }]);
    t.ok(found.length <= 101);
    t.ok(performance.now() - began < 5000, 'comparing each with every other takes minutes');
  }
  const hosts = many(() => 'same.test');
  const service = parseMeshService(document({ hosts }));
  t.strictSame(hostConflicts(new Map([['shop/cart', service]])), []);
});
