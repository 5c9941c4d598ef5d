import t from 'tap';
import { CredentialSet, hasExpired } from '../../../../control-plane/access/credential-set.js';
import { InvalidCredentialsError, parseCredentials } from '../../../../control-plane/access/credentials.js';
import { digestOfToken, newToken } from '../../../../src/access/token.js';

const digest = (token: string) => digestOfToken(token).toString('hex');

function problemsOf(text: string): readonly string[] {
  try {
    parseCredentials('tokens.yaml', text);
  } catch (error) {
    if (error instanceof InvalidCredentialsError) return error.problems;
    throw error;
  }
  return [];
}

t.test('a file says who has which token or certificate, and what that allows', async (t) => {
  const parsed = parseCredentials(
    'tokens.yaml',
    `- { name: ci, sha256: ${digest('a').toUpperCase()}, role: operate, namespaces: [shop, web] }
- { name: ops, certificate: { commonName: ops }, role: admin, namespaces: ["*"], expires: 2027-01-31T00:00:00Z }
`,
  );
  t.match(parsed, [
    { name: 'ci', sha256: digest('a'), role: 'operate', namespaces: ['shop', 'web'] },
    { name: 'ops', certificate: { commonName: 'ops' }, expires: '2027-01-31T00:00:00Z' },
  ]);
  t.same(parseCredentials('tokens.yaml', '[]'), [], 'an empty list lets nobody in');
});

t.test('every mistake is told at its place', async (t) => {
  const cases: readonly (readonly [yaml: string, problem: string | RegExp])[] = [
    ['- { name: a, role: read, namespaces: [x] }', /:1:3: \[0\]: needs exactly one of sha256, certificate/],
    [
      `- { name: a, sha256: ${digest('a')}, role: reed, namespaces: [x] }`,
      /:1:.*role: must be one of read, /,
    ],
    [`- { name: a, sha256: ${digest('a')}, role: read, namespaces: [] }`, /namespaces: .*is empty/],
    [`- { name: a, sha256: ${digest('a')}, role: read, namespaces: [Shop] }`, /namespaces\[0\]: /],
    [`- { name: a, sha256: ${digest('a')}, role: read }`, /namespaces: is required/],
    [`- { name: a b, sha256: ${digest('a')}, role: read, namespaces: [x] }`, /name: "a b" is not a name/],
    [
      `- { name: a, sha256: ${digest('a')}, role: read, namespaces: [x], expires: soon }`,
      /expires: .*is no time/,
    ],
    [`- { name: a, sha256: ${digest('a')}, role: read, namespace: x }`, /did you mean "namespaces"/],
    ['name: a', /must be a list/],
    ['', /has 0 documents/],
    ['[]\n---\n[]', /has 2 documents/],
    ['- { name: a', /is not valid YAML/],
  ];
  for (const [yaml, problem] of cases) {
    const problems = problemsOf(yaml);
    t.match(problems.join('\n'), problem, yaml);
    for (const line of problems) t.match(line, /^tokens\.yaml/, yaml);
  }
});

t.test('names, tokens and certificates are of one entry each', async (t) => {
  const entry = (name: string, proof: string) =>
    `- { name: ${name}, ${proof}, role: read, namespaces: [x] }\n`;
  const a = `sha256: ${digest('a')}`;
  const certificate = 'certificate: { uri: "spiffe://x/y" }';
  t.match(problemsOf(entry('a', a) + entry('a', `sha256: ${digest('b')}`)), [
    /:2:.*name: is the same as that of entry 1/,
  ]);
  t.match(problemsOf(entry('a', a) + entry('b', a)), [/:2:.*sha256: is the same/]);
  t.match(problemsOf(entry('a', certificate) + entry('b', certificate)), [/:2:.*certificate: is the same/]);
});

t.test('a token where its digest belongs is not repeated', async (t) => {
  const token = newToken();
  const problems = problemsOf(`- { name: a, sha256: ${token}, role: read, namespaces: [x] }`).join('\n');
  t.match(problems, /sha256: is not SHA-256 in hexadecimal/);
  t.notMatch(problems, token);
});

t.test('tokens are found by their digest, certificates by URI before common name', async (t) => {
  const [mine, other] = [newToken(), newToken()];
  const set = new CredentialSet([
    { name: 'ci', sha256: digest(mine), role: 'operate', namespaces: ['shop'] },
    { name: 'pod', certificate: { uri: 'spiffe://mesh/shop' }, role: 'sidecar', namespaces: ['shop'] },
    { name: 'ops', certificate: { commonName: 'ops' }, role: 'admin', namespaces: ['*'] },
  ]);
  t.equal(set.ofToken(mine)?.name, 'ci');
  for (const wrong of [other, '', digest(mine), `${mine}x`, mine.slice(0, -1), 'x'.repeat(1 << 20)])
    t.equal(set.ofToken(wrong), undefined, wrong.slice(0, 50));
  t.equal(
    set.ofCertificate({ uris: ['spiffe://mesh/other', 'spiffe://mesh/shop'], commonName: 'ops' })?.name,
    'pod',
  );
  t.equal(set.ofCertificate({ uris: ['spiffe://mesh/other'], commonName: 'ops' })?.name, 'ops');
  t.equal(set.ofCertificate({ uris: [], commonName: '' }), undefined);
});

t.test('a credential is still there while nothing about it has changed', async (t) => {
  const credential = { name: 'ci', sha256: digest('a'), role: 'operate', namespaces: ['shop'] } as const;
  t.ok(new CredentialSet([{ ...credential }]).stillHas(credential));
  for (const change of [
    { sha256: digest('b') },
    { role: 'read' as const },
    { namespaces: ['web'] },
    { name: 'cd' },
  ])
    t.notOk(new CredentialSet([{ ...credential, ...change }]).stillHas(credential), JSON.stringify(change));
});

t.test('a credential ends at its time', async (t) => {
  const credential = {
    name: 'a',
    role: 'read',
    namespaces: ['*'],
    expires: '2027-01-31T02:00:00+02:00',
  } as const;
  t.notOk(hasExpired(credential, Date.UTC(2027, 0, 30, 23, 59, 59)));
  t.ok(hasExpired(credential, Date.UTC(2027, 0, 31)));
});
