import { urlText } from '../http/byte-text.js';
import { isToken } from '../http/field-line.js';
import { cookieProblems } from './cookie-rules.js';
import { field, list } from './document-fields.js';
import type { Path, Problem } from './problems.js';

/**
 * What makes no sense although sidecars could serve it. It is refused when a document is applied, and never when one is
 * read: a service that is stored already goes on, whatever a later version thinks of it.
 *
 * @param document that is valid
 */
export function applyProblems(document: unknown): Problem[] {
  return [...cookieProblems(document), ...baggageProblems(document), ...conditionProblems(document)];
}

/** Keys that no member of a baggage header can have (W3C Baggage section 3.2.1.1). */
function baggageProblems(document: unknown): Problem[] {
  return list(field(field(field(document, 'spec'), 'affinity'), 'key')).flatMap((source, i) => {
    const key = field(source, 'baggage');
    if (typeof key !== 'string' || isToken(key)) return [];
    const message = `${JSON.stringify(key)} is not a key of a baggage member (RFC 9110 token); use letters, digits, "-" and "_"`;
    return [{ path: ['spec', 'affinity', 'key', i, 'baggage'], message }];
  });
}

/** Conditions that no request can meet. */
function conditionProblems(document: unknown): Problem[] {
  return list(field(field(document, 'spec'), 'routes')).flatMap((route, r) =>
    list(field(route, 'match')).flatMap((match, m) => {
      const at = ['spec', 'routes', r, 'match', m];
      return [
        ...pathProblems(field(match, 'path'), [...at, 'path']),
        ...list(field(match, 'query')).flatMap((query, q) => regexProblems(query, [...at, 'query', q])),
      ];
    }),
  );
}

function pathProblems(path: unknown, at: Path): Problem[] {
  const withQuery = (['exact', 'prefix'] as const).filter((kind) =>
    String(field(path, kind) ?? '').includes('?'),
  );
  return [
    ...withQuery.map((kind) => ({
      path: [...at, kind],
      message: 'has a "?", which no path has; write conditions on the query into "query"',
    })),
    ...regexProblems(path, at),
  ];
}

/** A text is compared percent-encoded; what a class or a count of letters means then is not known. */
function regexProblems(condition: unknown, at: Path): Problem[] {
  const letter = /[\u0080-\uffff]+/.exec(String(field(condition, 'regex') ?? ''))?.[0];
  if (letter === undefined) return [];
  const message = `has ${JSON.stringify(letter)}, and a URL has ASCII alone; write ${urlText(letter)}`;
  return [{ path: [...at, 'regex'], message }];
}
