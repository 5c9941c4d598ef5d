import { RE2JS } from 're2js';
import type { PathRewrite } from '../xds/route-changes.js';

/**
 * Compiles the rewrite of a path. What comes out starts with a slash, whatever the pattern takes away.
 *
 * @returns takes a path without its query
 */
export function compilePathRewrite({ pattern, substitution }: PathRewrite): (path: string) => string {
  const regex = RE2JS.compile(pattern);
  return (path) => {
    const matcher = regex.matcher(path);
    let text = '';
    let copied = 0;
    while (matcher.find()) {
      text += path.slice(copied, matcher.start());
      for (const part of substitution) text += typeof part === 'string' ? part : (matcher.group(part) ?? '');
      copied = matcher.end();
    }
    text += path.slice(copied);
    return text.startsWith('/') ? text : `/${text}`;
  };
}
