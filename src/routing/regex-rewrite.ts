import { RE2JS } from 're2js';
import type { RegexRewrite } from '../xds/regex-rewrite.js';

/** Compiles a rewrite: what comes out has the substitution in place of every match. Linear in the text's length. */
export function compileRegexRewrite({ pattern, substitution }: RegexRewrite): (text: string) => string {
  const regex = RE2JS.compile(pattern);
  return (text) => {
    const matcher = regex.matcher(text);
    let rewritten = '';
    let copied = 0;
    while (matcher.find()) {
      rewritten += text.slice(copied, matcher.start());
      for (const part of substitution)
        rewritten += typeof part === 'string' ? part : (matcher.group(part) ?? '');
      copied = matcher.end();
    }
    return rewritten + text.slice(copied);
  };
}
