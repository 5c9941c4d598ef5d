import type { RegexRewrite } from '../xds/regex-rewrite.js';
import { compileRegexRewrite } from './regex-rewrite.js';

/**
 * Compiles the rewrite of a path. What comes out starts with a slash, whatever the pattern takes away.
 *
 * @returns takes a path without its query
 */
export function compilePathRewrite(config: RegexRewrite): (path: string) => string {
  const rewrite = compileRegexRewrite(config);
  return (path) => {
    const text = rewrite(path);
    return text.startsWith('/') ? text : `/${text}`;
  };
}
