import { z } from 'zod';
import { credentialName, credentialNamespace } from '../../src/access/credential-schema.js';
import { ALL_NAMESPACES, ROLES } from '../../src/access/role.js';
import { readBoundedFile } from '../../src/lifecycle/bounded-file.js';
import { locateProblem } from '../../src/model/check-documents.js';
import { type Problem, toProblems } from '../../src/model/problems.js';
import { exactlyOne, strict } from '../../src/model/strict-object.js';
import {
  formatLocated,
  MAX_FILE_BYTES,
  parseYaml,
  type SourceDocument,
} from '../../src/model/yaml-source.js';

const NO_DIGEST = 'is not SHA-256 in hexadecimal (64 digits), as "roost token new" prints it';

const certificate = strict({
  uri: z.string().min(1).optional(),
  commonName: z.string().min(1).optional(),
}).check(z.refine(...exactlyOne('uri', 'commonName')));

const entry = strict({
  name: credentialName,
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/i)
    .transform((digits) => digits.toLowerCase())
    .optional(),
  certificate: certificate.optional(),
  role: z.enum(ROLES),
  namespaces: z
    .array(credentialNamespace)
    .min(1, { error: `is empty; name namespaces, or "${ALL_NAMESPACES}" for all` }),
  expires: z.iso
    .datetime({ offset: true, error: 'is no time with a zone, such as 2027-01-31T00:00:00Z' })
    .optional(),
}).check(z.refine(...exactlyOne('sha256', 'certificate')));

const schema = z.array(entry);

/** Who may do what, and how it is proved. The secret itself is nowhere in it. */
export interface Credential {
  readonly name: string;
  readonly sha256?: string | undefined;
  readonly certificate?:
    | { readonly uri?: string | undefined; readonly commonName?: string | undefined }
    | undefined;
  readonly role: (typeof ROLES)[number];
  /** {@link ALL_NAMESPACES}, or names. */
  readonly namespaces: readonly string[];
  readonly expires?: string | undefined;
}

/** The file of credentials cannot be used; each problem has its place. */
export class InvalidCredentialsError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'InvalidCredentialsError';
  }
}

/** @throws InvalidCredentialsError */
export function readCredentials(file: string): readonly Credential[] {
  let content: Buffer;
  try {
    content = readBoundedFile(file, { maxBytes: MAX_FILE_BYTES });
  } catch (error) {
    throw new InvalidCredentialsError([`${file}: cannot be read: ${(error as Error).message}`]);
  }
  return parseCredentials(file, content);
}

/**
 * Parses the YAML list of credentials.
 *
 * @throws InvalidCredentialsError with every problem found, by line
 */
export function parseCredentials(file: string, content: string | Uint8Array): readonly Credential[] {
  const { documents, problems } = parseYaml(file, content);
  const [document] = documents;
  if (problems.length > 0) throw new InvalidCredentialsError(problems.map(formatLocated));
  if (document === undefined || documents.length > 1)
    throw new InvalidCredentialsError([
      `${file}: has ${documents.length} documents; it must be one list of credentials ("[]" lets no caller in)`,
    ]);
  const parsed = schema.safeParse(document.value);
  if (!parsed.success)
    throw invalid(document, withoutSecrets(toProblems(parsed.error.issues, document.value)));
  const repeated = [
    ...findRepeated(parsed.data, 'name', ({ name }) => name),
    ...findRepeated(parsed.data, 'sha256', ({ sha256 }) => sha256),
    ...findRepeated(
      parsed.data,
      'certificate',
      ({ certificate }) => certificate && JSON.stringify(certificate),
    ),
  ];
  if (repeated.length > 0) throw invalid(document, repeated);
  return parsed.data;
}

/** A token that was written by mistake in place of its digest must not reach the log. */
function withoutSecrets(problems: readonly Problem[]): Problem[] {
  return problems.map((problem) =>
    problem.path[1] === 'sha256' ? { path: problem.path, message: NO_DIGEST } : problem,
  );
}

function invalid(document: SourceDocument, problems: readonly Problem[]): InvalidCredentialsError {
  return new InvalidCredentialsError(
    problems.map((problem) => formatLocated(locateProblem(document, problem))),
  );
}

/** One secret for two names would leave open who came. */
function findRepeated(
  credentials: readonly Credential[],
  field: string,
  read: (credential: Credential) => string | undefined,
): Problem[] {
  const first = new Map<string, number>();
  return credentials.flatMap((credential, i) => {
    const value = read(credential);
    if (value === undefined) return [];
    const earlier = first.get(value);
    if (earlier === undefined) first.set(value, i);
    return earlier === undefined
      ? []
      : [{ path: [i, field], message: `is the same as that of entry ${earlier + 1}` }];
  });
}
