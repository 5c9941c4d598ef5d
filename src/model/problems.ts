import type { z } from 'zod';
import { nearestOf } from './nearest.js';

/** Where in a document something is: object keys and array indexes from the top. */
export type Path = readonly (string | number)[];

/** One thing wrong with a resource: where, and what would be right. */
export interface Problem {
  readonly path: Path;
  readonly message: string;
}

/** `spec.routes[1].split[0].version` */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    const plain = /^[A-Za-z_][\w-]*$/.test(step);
    if (!plain) return `${text}[${JSON.stringify(step)}]`;
    return text === '' ? step : `${text}.${step}`;
  }, '');
}

/** `spec.port: must be a port number, 1 to 65535` */
export function formatProblem(problem: Problem): string {
  const where = formatPath(problem.path);
  return where === '' ? problem.message : `${where}: ${problem.message}`;
}

/** Problems in the message of an error; `problems` has all of them. */
const MAX_TOLD = 100;

/** A refused resource or set of resources, with every problem found. */
export class InvalidResourceError extends Error {
  constructor(readonly problems: readonly Problem[]) {
    super(problems.slice(0, MAX_TOLD).map(formatProblem).join('\n'));
    this.name = 'InvalidResourceError';
  }
}

/** Turns the schema's issues into problems in the user's words, nothing dropped. */
export function toProblems(issues: readonly z.core.$ZodIssue[], input: unknown): Problem[] {
  return issues.flatMap((issue) => issueToProblems(issue, input));
}

/** How a problem ends where quotes make a text of a number, such as a version 1.10. */
export const NEEDS_QUOTES = '; put it in quotes';

function isPlain(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'boolean';
}

function issueToProblems(issue: z.core.$ZodIssue, input: unknown): Problem[] {
  const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
  switch (issue.code) {
    case 'unrecognized_keys':
      // The schema gives the known fields as the message.
      return issue.keys.map((key) => ({ path: [...path, key], message: unknownField(key, issue.message) }));
    case 'invalid_type': {
      const found = describe(valueAt(input, path));
      const quotes = issue.expected === 'string' && isPlain(valueAt(input, path)) ? NEEDS_QUOTES : '';
      const custom = issue.message.startsWith('Invalid input') ? '' : `${issue.message}; `;
      const message =
        found === 'nothing'
          ? `${custom}is required: ${article(issue.expected)}`
          : `${custom}must be ${article(issue.expected)}; found ${found}${quotes}`;
      return [
        {
          path,
          message: custom !== '' && found !== 'nothing' ? `${issue.message}; found ${found}` : message,
        },
      ];
    }
    case 'invalid_value': {
      if (!issue.message.startsWith('Invalid'))
        return [{ path, message: `${issue.message}; found ${describe(valueAt(input, path))}` }];
      const choices = issue.values.map((value) => String(value)).join(', ');
      return [{ path, message: `must be one of ${choices}; found ${describe(valueAt(input, path))}` }];
    }
    case 'invalid_union':
      return unionProblems(issue, path, input);
    case 'invalid_key':
      return issue.issues.map((inner) => ({ path, message: inner.message }));
    default: {
      const value = valueAt(input, path);
      const quoted = typeof value === 'string' || typeof value === 'number' ? `${describe(value)} ` : '';
      return [{ path, message: `${quoted}${issue.message}` }];
    }
  }
}

/** Of a union's branches, the one that got furthest says what is wrong; otherwise all choices are named. */
function unionProblems(issue: z.core.$ZodIssueInvalidUnion, path: Path, input: unknown): Problem[] {
  const branches = issue.errors.map((branch) => toProblems(branch, valueAt(input, path)));
  const deepest =
    branches.find((problems) => problems.some((p) => p.path.length > 0)) ??
    branches.find((problems) => !problems.some((p) => p.message.startsWith('must be')));
  if (deepest) return deepest.map((p) => ({ path: [...path, ...p.path], message: p.message }));
  const choices = branches.flat().map((p) => p.message.replace(/; found .*$/, ''));
  return [{ path, message: `${choices.join(', or ')}; found ${describe(valueAt(input, path))}` }];
}

function unknownField(key: string, knownList: string): string {
  const known = knownList.split(', ');
  const nearest = nearestOf(key, known);
  const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
  return `unknown field${hint} (known here: ${knownList})`;
}

function valueAt(input: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, step) =>
      typeof value === 'object' && value !== null
        ? (value as Record<string | number, unknown>)[step]
        : undefined,
    input,
  );
}

/** Longest piece of a user's value that an error repeats. */
const QUOTE_LENGTH = 60;

function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > QUOTE_LENGTH ? `${text.slice(0, QUOTE_LENGTH)}…` : text;
}

function article(expected: string): string {
  if (expected === 'object' || expected === 'record') return 'a map';
  if (expected === 'array') return 'a list';
  if (expected === 'boolean') return 'true or false';
  if (expected === 'string') return 'a text';
  return `a ${expected}`;
}
