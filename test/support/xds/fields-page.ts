import { FIELD_SUPPORT, type FieldSupport } from '../../../src/xds/field-support.js';
import { decodedName, wireName } from '../../../src/xds/unsupported.js';
import { typeOf } from './descriptor.js';

/** The part of `docs/xds-fields.md` that is generated from the table which sidecars use. */
export function fieldsPage(): string {
  return Object.entries(FIELD_SUPPORT)
    .map(([typeName, support]) => section(typeName, support))
    .join('\n');
}

function section(typeName: string, { honoured, only = {}, ignored = {} }: FieldSupport): string {
  const taken = words(honoured);
  const passedOver = Object.entries(ignored).map(([why, list]) => [why, words(list)] as const);
  const known = new Set([...taken, ...passedOver.flatMap(([, list]) => list)].map(decodedName));
  const refused = typeOf(typeName)
    .fieldsArray.filter(({ name }) => !known.has(name))
    .map(({ name }) => wireName(name));
  const withLimits = taken.map((name) => (only[name] ? `${code(name)} (only ${only[name]})` : code(name)));
  return [
    `### ${typeName}`,
    '',
    ...line('Honoured', withLimits.join(', ')),
    ...line('Ignored', passedOver.map(([why, list]) => `${list.map(code).join(', ')}: ${why}`).join('; ')),
    ...line('Rejected', refused.map(code).join(', ')),
    '',
  ].join('\n');
}

function line(what: string, text: string): string[] {
  return text === '' ? [] : [`- ${what}: ${text}`];
}

const words = (list: string) => list.split(' ').filter((word) => word !== '');
const code = (name: string) => `\`${name}\``;
