import { z } from 'zod';

/** What the annotation `roost.dev/status` records: all that `roost uninject` needs. */
const status = z.looseObject({
  version: z.string(),
  mode: z.enum(['native', 'container']).default('native'),
  /** Members that the pod did not have and that injection made, from the outside in. */
  created: z.array(z.string()).default([]),
  /** Where TCP probes ask the sidecar, and what stood there. */
  tcpProbes: z
    .array(
      z.object({ container: z.string(), probe: z.string(), tcpSocket: z.record(z.string(), z.unknown()) }),
    )
    .default([]),
  /** App containers that got a `preStop` hook. */
  held: z.array(z.object({ container: z.string(), hooks: z.boolean() })).default([]),
});

export type InjectStatus = z.infer<typeof status>;

/** @returns undefined where the text is not what injection writes */
export function parseStatus(text: string): InjectStatus | undefined {
  try {
    const parsed = status.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

export function formatStatus({ version, mode, created, tcpProbes, held }: InjectStatus): string {
  return JSON.stringify({
    version,
    mode,
    ...(created.length === 0 ? {} : { created }),
    ...(tcpProbes.length === 0 ? {} : { tcpProbes }),
    ...(held.length === 0 ? {} : { held }),
  });
}
