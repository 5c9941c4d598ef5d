import { percentDecode, percentEncode, trimBlanks } from './byte-text.js';

/** W3C asks everybody to pass on this much of a `baggage` header; some cut off what is beyond. */
const SAFE_BAGGAGE_BYTES = 8192;

/**
 * Value of one member of a W3C `baggage` header, percent-decoded to latin-1 bytes; properties after `;` are
 * dropped. Malformed members are passed over; a value whose percent-encoding is broken is taken as written. The
 * header is as long as a head may be; one pass over it, whatever it holds.
 */
export function readBaggage(header: string, key: string): string | undefined {
  let equals = -1;
  for (let from = 0; from < header.length; ) {
    if (equals < from) equals = header.indexOf('=', from);
    if (equals === -1) return undefined;
    const comma = header.indexOf(',', from);
    const end = comma === -1 ? header.length : comma;
    if (equals < end && trimBlanks(header, from, equals) === key) {
      const [value = ''] = header.slice(equals + 1, end).split(';', 1);
      return percentDecode(trimBlanks(value));
    }
    from = end + 1;
  }
  return undefined;
}

/**
 * The header with one member set, others kept in order: at its end, or where it is longer than everybody passes on,
 * at its beginning.
 *
 * @param value of any bytes; it is percent-encoded
 */
export function withBaggage(header: string | undefined, key: string, value: string): string {
  const member = `${key}=${encodeBaggageValue(value)}`;
  if (header === undefined) return member;
  const others = header
    .split(',')
    .map((each) => trimBlanks(each))
    .filter((each) => each !== '' && nameOf(each) !== key);
  const length = others.reduce((sum, each) => sum + each.length + 1, member.length);
  return (length > SAFE_BAGGAGE_BYTES ? [member, ...others] : [...others, member]).join(',');
}

function nameOf(member: string): string {
  const equals = member.indexOf('=');
  return trimBlanks(member, 0, equals === -1 ? member.length : equals);
}

/** A latin-1 byte string as a member's value: what W3C allows as it is, every other byte percent-encoded. */
export function encodeBaggageValue(value: string): string {
  return value.replace(/[^!#$&'()*+\-./0-9:<=>?@A-Z[\]^_`a-z{|}~]/g, percentEncode);
}
