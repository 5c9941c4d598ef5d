import { stringify } from 'yaml';

/** How a document writes lists below keys. */
export interface BlockStyle {
  readonly indentLists: boolean;
}

/** Quotes what YAML 1.1, which Kubernetes reads, takes for something other than text. */
function render(value: unknown, { indentLists }: BlockStyle): string {
  return stringify(value, {
    lineWidth: 0,
    compat: 'yaml-1.1',
    indentSeq: indentLists,
    aliasDuplicateObjects: false,
  });
}

/** `key: value` in lines of their own, `indent` columns in. @param bare only the lines of the value */
export function blockMember(
  key: string,
  value: unknown,
  indent: number,
  style: BlockStyle,
  bare = false,
): string {
  return indented(render(bare ? value : { [key]: value }, style), indent);
}

/** `- value` in lines of its own. */
export function blockItem(value: unknown, indent: number, style: BlockStyle): string {
  return indented(render([value], style), indent);
}

function indented(text: string, columns: number): string {
  return text.replaceAll(/^(?=.)/gm, ' '.repeat(columns));
}

/** `"key": value`, which JSON and YAML both read. */
export function flowPair(key: string, value: unknown): string {
  return `${JSON.stringify(key)}: ${JSON.stringify(value)}`;
}

/** Members of a map in flow style, without braces. @param lead the white space before the first one */
export function flowMembers(value: object, asJson: boolean, lead: string): string {
  return Object.entries(value)
    .map(([key, member]) => (asJson ? flowPair(key, member) : `${key}: ${render(member, PLAIN).trimEnd()}`))
    .join(`,${lead || ' '}`);
}

const PLAIN = { indentLists: true };
