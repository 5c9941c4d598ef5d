/** Longest `baggage` header read; W3C asks for 8,192 bytes, and what is longer counts as absent. */
export const MAX_BAGGAGE_BYTES = 8192;

/**
 * Value of one member of a W3C `baggage` header, percent-decoded to latin-1 bytes; properties after `;` are
 * dropped. Malformed members are passed over; a value whose percent-encoding is broken is taken as written.
 */
export function readBaggage(header: string, key: string): string | undefined {
  if (header.length > MAX_BAGGAGE_BYTES) return undefined;
  for (const member of header.split(',')) {
    const equals = member.indexOf('=');
    if (equals === -1 || member.slice(0, equals).trim() !== key) continue;
    const semicolon = member.indexOf(';', equals);
    return percentDecode(member.slice(equals + 1, semicolon === -1 ? undefined : semicolon).trim());
  }
  return undefined;
}

/** The header with one member set, others kept in order. A header too long to read is left as it is. */
export function withBaggage(header: string | undefined, key: string, value: string): string {
  if (header === undefined || header.trim() === '') return `${key}=${value}`;
  if (header.length > MAX_BAGGAGE_BYTES) return header;
  const others = header.split(',').filter((member) => {
    const equals = member.indexOf('=');
    return member.trim() !== '' && (equals === -1 ? member : member.slice(0, equals)).trim() !== key;
  });
  return [...others.map((member) => member.trim()), `${key}=${value}`].join(',');
}

function percentDecode(value: string): string {
  if (!value.includes('%')) return value;
  return value.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
