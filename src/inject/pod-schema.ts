import { z } from 'zod';
import type { Problem } from '../model/problems.js';

/**
 * What injection reads of a pod, and nothing else: the rest passes through as it is. Kubernetes validates pods; this
 * only makes sure that what is read has the type that the code expects. A member that is null is one that is absent.
 */

const texts = z.record(z.string(), z.string()).nullish();

const probe = z
  .looseObject({
    tcpSocket: z
      .looseObject({ port: z.union([z.number(), z.string()]), host: z.string().nullish() })
      .nullish(),
  })
  .nullish();

const securityContext = z
  .looseObject({ runAsUser: z.number().nullish(), runAsGroup: z.number().nullish() })
  .nullish();

const container = z.looseObject({
  name: z.string(),
  image: z.string().nullish(),
  ports: z.array(z.looseObject({ containerPort: z.number(), name: z.string().nullish() })).nullish(),
  livenessProbe: probe,
  readinessProbe: probe,
  startupProbe: probe,
  securityContext,
  restartPolicy: z.string().nullish(),
  lifecycle: z.looseObject({ preStop: z.unknown().optional() }).nullish(),
});

const podTemplate = z.looseObject({
  metadata: z.looseObject({ labels: texts, annotations: texts }).nullish(),
  spec: z.looseObject({
    containers: z.array(container).min(1, { error: 'must list at least one container' }),
    initContainers: z.array(container).nullish(),
    volumes: z.array(z.looseObject({ name: z.string() })).nullish(),
    hostNetwork: z.boolean().nullish(),
    restartPolicy: z.string().nullish(),
    terminationGracePeriodSeconds: z.number().nullish(),
    securityContext,
    nodeSelector: texts,
    os: z.looseObject({ name: z.string() }).nullish(),
  }),
});

/** A pod, or the template of one. */
export type PodTemplate = z.infer<typeof podTemplate>;
export type Container = z.infer<typeof container>;

/** @returns the pod as a typed value, or everything that is not of the type that Kubernetes gives it */
export function parsePodTemplate(
  input: unknown,
): { readonly pod: PodTemplate } | { readonly problems: readonly Problem[] } {
  const parsed = podTemplate.safeParse(input);
  if (parsed.success) return { pod: parsed.data };
  return {
    problems: parsed.error.issues.map(({ path, message }) => ({
      path: path.map((part) => (typeof part === 'number' ? part : String(part))),
      message: message.replace(/^Invalid input: /, ''),
    })),
  };
}
