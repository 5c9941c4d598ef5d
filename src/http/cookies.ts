/**
 * Reads one cookie from a `Cookie` header (RFC 6265 section 4.2). Of several with the name, the first counts.
 *
 * @returns undefined where there is none.
 */
export function readCookie(header: string, name: string): string | undefined {
  return findCookie(header, name, (value) => value);
}

/**
 * What the first cookie of this name stands for that stands for something. Surrounding double quotes are dropped
 * from values, as Envoy does.
 *
 * @param read undefined: nothing; the next one is read
 */
export function findCookie<T>(
  header: string,
  name: string,
  read: (value: string) => T | undefined,
): T | undefined {
  for (let from = 0; from < header.length; ) {
    let end = header.indexOf(';', from);
    if (end === -1) end = header.length;
    let start = from;
    while (start < end && isSpace(header.charCodeAt(start))) start++;
    if (header.startsWith(name, start) && header.charCodeAt(start + name.length) === 0x3d) {
      const found = read(unquoteCookie(header.slice(start + name.length + 1, end).trim()));
      if (found !== undefined) return found;
    }
    from = end + 1;
  }
  return undefined;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** A cookie without the double quotes around its value, which are none of it. */
export function unquoteCookie(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}
