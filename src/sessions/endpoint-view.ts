/** What speaks against an endpoint, as one sidecar has found it. */
export type Complaint = 'UNREACHABLE' | 'APP_REFUSES' | 'EJECTED' | 'FAILING_CHECKS';

/** How an endpoint looks to one sidecar. */
export type View = 'UNKNOWN' | 'GOOD' | Complaint;

const VIEWS: ReadonlySet<string> = new Set<View>([
  'UNKNOWN',
  'GOOD',
  'UNREACHABLE',
  'APP_REFUSES',
  'EJECTED',
  'FAILING_CHECKS',
]);

/** How many sidecars see an endpoint so. */
export interface ViewCounts {
  readonly unknown: number;
  readonly good: number;
  readonly unreachable: number;
  readonly appRefuses: number;
  readonly ejected: number;
  readonly failingChecks: number;
}

/** A sidecar says again what it sees this often, for as long as any sidecar complains of the endpoint. */
export const VIEW_RENEWAL_MS = 5000;
/** A view that has not been said again counts for so long. */
export const VIEW_LIFE_MS = 15_000;

/** Of what is unknown here, nothing is known. */
export function readView(value: unknown): View {
  return VIEWS.has(value as string) ? (value as View) : 'UNKNOWN';
}

export function isComplaint(view: View | undefined): view is Complaint {
  return view !== undefined && view !== 'GOOD' && view !== 'UNKNOWN';
}

/** How many sidecars cannot use the endpoint. */
export function complaintsIn({ unreachable, appRefuses, ejected, failingChecks }: ViewCounts): number {
  return unreachable + appRefuses + ejected + failingChecks;
}

/** Reads them out of a message. */
export function readCounts(raw: { readonly [field: string]: unknown }): ViewCounts {
  const read = (field: keyof ViewCounts) => Number(raw[field] ?? 0);
  return {
    unknown: read('unknown'),
    good: read('good'),
    unreachable: read('unreachable'),
    appRefuses: read('appRefuses'),
    ejected: read('ejected'),
    failingChecks: read('failingChecks'),
  };
}
