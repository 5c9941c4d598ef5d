/** What the driver asks of the backend in a request, so that it knows afterwards what a failure was due to. */
export const FAULT_HEADER = 'x-soak-fault';
/** Pods of each release. A fault concerns one of them, so that a retry elsewhere meets none. */
export const PODS_PER_RELEASE = 3;
/** A response in chunks is the small answer so many times. */
export const CHUNKS = 4;
export const RELEASES = ['v1', 'v2'] as const;
export type ReleaseName = (typeof RELEASES)[number];

export type Fault =
  /** The pod of this number, from 1, resets the connection once the request is there, and does not answer. */
  | { readonly kind: 'reset'; readonly pod: number }
  /** Whoever answers resets the connection half way through the response. */
  | { readonly kind: 'cut' };

export function formatFault(fault: Fault): string {
  return fault.kind === 'cut' ? 'cut' : `reset ${fault.pod}`;
}

export function parseFault(text: string | undefined): Fault | undefined {
  if (text === undefined) return undefined;
  return text === 'cut' ? { kind: 'cut' } : { kind: 'reset', pod: Number(text.slice('reset '.length)) };
}

/** `v1-2` is pod 2 of v1: what its answers carry in `x-served-by`. */
export function podName(release: ReleaseName, pod: number): string {
  return `${release}-${pod}`;
}

export function podNumber(name: string): number {
  return Number(name.slice(name.lastIndexOf('-') + 1));
}

export function releaseOf(name: string): string {
  return name.slice(0, name.lastIndexOf('-'));
}
