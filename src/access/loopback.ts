const LOOPBACK = /^(localhost|127(\.\d+){3}|::1)$/;

/** Whether what is sent to this host, a name or an address, stays on this machine. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}
