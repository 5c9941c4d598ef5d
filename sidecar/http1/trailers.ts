import { HeaderBlock, ID } from './header-block.js';

/**
 * Fields that a trailer section may not bring (RFC 9110 section 6.5.1): what frames, routes, authenticates or
 * governs the connection was decided by the head.
 */
const REFUSED = new Set<number>([
  ID.host,
  ID.connection,
  ID['content-length'],
  ID['transfer-encoding'],
  ID['keep-alive'],
  ID['proxy-connection'],
  ID['proxy-authorization'],
  ID.te,
  ID.trailer,
  ID.upgrade,
  ID.expect,
  ID['set-cookie'],
  ID['x-forwarded-for'],
  ID['x-forwarded-proto'],
]);

/**
 * A trailer section as it goes on: checked field by field, without those that may not be there.
 *
 * @param lines the section's lines, with their ends
 * @throws ProtocolError
 */
export function forwardedTrailers(lines: string, maxFields: number): string {
  if (lines === '') return '';
  const block = new HeaderBlock(maxFields);
  block.parse(lines, 0, lines.length);
  let text = '';
  for (let i = 0; i < block.count; i++) if (!REFUSED.has(block.idAt(i))) text += block.lines(i, i + 1);
  return text;
}
