import type { MatchSpec } from './schema.js';

/** The conditions of a route, short, for people: `x-tester=yes & path prefix /cart or beta=1`; `*`: there is none. */
export function describeMatch(match: readonly MatchSpec[] | undefined): string {
  return match === undefined ? '*' : match.map(describeAlternative).join(' or ');
}

function describeAlternative({ path, method, headers, query, cookies }: MatchSpec): string {
  const conditions = [
    ...(method === undefined ? [] : [method]),
    ...Object.entries(path ?? {}).map(
      ([kind, value]) => `path ${kind === 'exact' ? '' : `${kind} `}${value}`,
    ),
    ...[...headers, ...query, ...cookies].map(({ name, not, present, exact, prefix, suffix, regex }) => {
      const sign = not ? '!=' : '=';
      if (present) return `${not ? 'no ' : ''}${name}`;
      if (exact !== undefined) return `${name}${sign}${exact}`;
      if (prefix !== undefined) return `${name}${sign}${prefix}*`;
      return `${name}${sign}${suffix === undefined ? `/${regex}/` : `*${suffix}`}`;
    }),
  ];
  return conditions.join(' & ');
}
