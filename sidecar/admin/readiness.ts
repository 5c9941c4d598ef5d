export interface Readiness {
  readonly ready: boolean;
  /** For people: why not, or what it runs on. */
  readonly text: string;
}

interface ReadinessSources {
  readonly draining: boolean;
  readonly configuration: { readonly table: unknown; readonly connected: boolean };
  /** Where the configuration is kept on disk. */
  readonly lastGood: { readonly restoredMs: number | undefined } | undefined;
  readonly controlPlanes: { readonly name: string };
  readonly sharing: { readonly isSettled: boolean };
}

/** What `/ready` answers. A configuration from disk is as good as any: the answer only tells how old it is. */
export function readiness(sources: ReadinessSources): Readiness {
  const { draining, configuration, lastGood, controlPlanes, sharing } = sources;
  if (draining) return { ready: false, text: 'draining' };
  const address = controlPlanes.name;
  if (configuration.table === undefined)
    return {
      ready: false,
      text: configuration.connected
        ? `waiting for the first configuration from ${address}`
        : `waiting for the control plane at ${address}`,
    };
  if (!sharing.isSettled)
    return {
      ready: false,
      text: `waiting for the pins that other pods of the service know, from ${address}`,
    };
  const restoredMs = lastGood?.restoredMs;
  if (restoredMs === undefined) return { ready: true, text: 'ready' };
  const ageSeconds = Math.max(0, Math.round((Date.now() - restoredMs) / 1000));
  const since = new Date(restoredMs).toISOString();
  return {
    ready: true,
    text: `ready, on the configuration of ${since} from disk (${ageSeconds} s old); waiting for the control plane at ${address}`,
  };
}
