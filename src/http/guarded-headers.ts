/**
 * Headers that no configuration may change: they frame a message, are for one hop only, say whom it is for, or
 * carry what the sidecar itself says. To change one would make two servers disagree about where a message ends or
 * whose it is (RFC 9110 sections 7.2, 7.6.1 and 7.8; RFC 9112 section 6).
 */
const GUARDED: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'upgrade',
  'http2-settings',
  'expect',
  'x-roost-error',
  'x-roost-via',
]);

/** @param name in lower case; Envoy's pseudo-headers (`:path`) are guarded, too */
export function isGuardedHeader(name: string): boolean {
  return name.startsWith(':') || GUARDED.has(name);
}

/**
 * Whether a header may have this value: visible ASCII, with spaces and tabs between (RFC 9110 section 5.5; what is
 * beyond ASCII has no agreed meaning).
 */
export function isHeaderValue(value: string): boolean {
  return /^(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?$/.test(value);
}

/** Whether a path may stand in a request target, without a query (RFC 9112 section 3.2.1). */
export function isTargetPath(path: string): boolean {
  return /^\/[\x21\x22\x24-\x3e\x40-\x7e]*$/.test(path);
}
