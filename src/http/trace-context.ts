const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:$|-)/;
const NO_TRACE = '0'.repeat(32);

/** The trace id of a W3C `traceparent` header; undefined where it is none. */
export function traceIdOf(traceparent: string | undefined): string | undefined {
  const id = traceparent === undefined ? undefined : TRACEPARENT.exec(traceparent)?.[1];
  return id === NO_TRACE ? undefined : id;
}
