import { type Field, NO_FIELDS } from '../../src/http/field-line.js';
import { HeaderBlock } from './header-block.js';

/**
 * Fields that a trailer section may not bring (RFC 9110 section 6.5.1): what frames, routes, authenticates, says
 * what the content is or governs the connection was decided by the head.
 */
const REFUSED = new Set([
  'authorization',
  'baggage',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-request-id',
]);

/** Whether a field may come behind the content. @param name in lower case */
export function isTrailerName(name: string): boolean {
  return !REFUSED.has(name);
}

/**
 * A trailer section as it goes on: checked field by field, without those that may not be there.
 *
 * @param lines the section's lines, with their ends
 * @throws ProtocolError
 */
export function forwardedTrailers(lines: string, maxFields: number): readonly Field[] {
  if (lines === '') return NO_FIELDS;
  const block = new HeaderBlock(maxFields);
  block.parse(lines, 0, lines.length);
  const fields: Field[] = [];
  for (let i = 0; i < block.count; i++) {
    const name = block.nameAt(i);
    if (isTrailerName(name.toLowerCase())) fields.push([name, block.valueAt(i)]);
  }
  return fields;
}
