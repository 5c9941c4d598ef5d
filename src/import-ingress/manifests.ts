import { z } from 'zod';
import { port } from '../model/scalars.js';

/**
 * The Kubernetes objects that an import reads, as far as it reads them. Fields that are not here are left to the
 * report; nothing in a manifest is an error because it is unknown.
 */

/** An annotation's value; a number or a boolean without quotes is what its text would be. */
const scalarText = z.union([z.string(), z.number(), z.boolean()]).transform(String);

const metadata = z.object({
  name: z.string().min(1),
  namespace: z.string().nullish(),
  labels: z.record(z.string(), scalarText).nullish(),
  annotations: z.record(z.string(), scalarText).nullish(),
  creationTimestamp: z.string().nullish(),
});

/** Where a rule leads. The port is a number or the name that the Service gives it. */
export interface BackendRef {
  /** Undefined: the backend is no Service. */
  readonly service: string | undefined;
  readonly port: number | string | undefined;
}

/** `service` is the form of v1, `serviceName` and `servicePort` that of v1beta1. */
const backend = z
  .object({
    service: z
      .object({
        name: z.string().min(1),
        port: z.object({ name: z.string().nullish(), number: port.nullish() }).nullish(),
      })
      .nullish(),
    serviceName: z.string().min(1).nullish(),
    servicePort: z.union([port, z.string().min(1)]).nullish(),
  })
  .transform(({ service, serviceName, servicePort }): BackendRef => {
    const number =
      typeof servicePort === 'string' && /^\d+$/.test(servicePort) ? Number(servicePort) : servicePort;
    if (!service) return { service: serviceName ?? undefined, port: number ?? undefined };
    return { service: service.name, port: service.port?.number ?? service.port?.name ?? undefined };
  });

const path = z.object({
  path: z.string().nullish(),
  pathType: z.enum(['Exact', 'Prefix', 'ImplementationSpecific']).nullish(),
  backend: backend.nullish(),
});

export const ingressSchema = z.object({
  metadata,
  spec: z
    .object({
      defaultBackend: backend.nullish(),
      backend: backend.nullish(),
      rules: z
        .array(z.object({ host: z.string().nullish(), http: z.object({ paths: z.array(path) }).nullish() }))
        .nullish(),
    })
    .nullish(),
});

export const serviceSchema = z.object({
  metadata,
  spec: z.object({
    type: z.string().nullish(),
    clusterIP: z.string().nullish(),
    externalName: z.string().nullish(),
    selector: z.record(z.string(), scalarText).nullish(),
    ports: z
      .array(
        z.object({
          name: z.string().nullish(),
          port,
          targetPort: z.union([z.number(), z.string()]).nullish(),
        }),
      )
      .nullish(),
  }),
});

const namedPort = z.object({ name: z.string().nullish(), port: port.nullish() });

export const endpointSliceSchema = z.object({
  metadata,
  addressType: z.string().nullish(),
  ports: z.array(namedPort).nullish(),
  endpoints: z
    .array(
      z.object({
        addresses: z.array(z.string()),
        conditions: z.object({ ready: z.boolean().nullish() }).nullish(),
        zone: z.string().nullish(),
      }),
    )
    .nullish(),
});

export const endpointsSchema = z.object({
  metadata,
  subsets: z
    .array(
      z.object({
        addresses: z.array(z.object({ ip: z.string() })).nullish(),
        ports: z.array(namedPort).nullish(),
      }),
    )
    .nullish(),
});

export const deploymentSchema = z.object({
  metadata,
  spec: z.object({
    template: z.object({
      metadata: z.object({ labels: z.record(z.string(), scalarText).nullish() }).nullish(),
      spec: z
        .object({
          containers: z.array(
            z.object({
              ports: z.array(z.object({ name: z.string().nullish(), containerPort: port })).nullish(),
            }),
          ),
        })
        .nullish(),
    }),
  }),
});

export type IngressObject = z.output<typeof ingressSchema>;
export type ServiceObject = z.output<typeof serviceSchema>;
export type EndpointSliceObject = z.output<typeof endpointSliceSchema>;
export type EndpointsObject = z.output<typeof endpointsSchema>;
export type DeploymentObject = z.output<typeof deploymentSchema>;
export type PathType = 'Exact' | 'Prefix' | 'ImplementationSpecific';
