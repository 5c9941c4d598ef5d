import type { MeshService } from '../../src/model/mesh-service.js';
import type { Problem } from '../../src/model/problems.js';
import type { TranslateContext } from '../translate/policy.js';
import { refusalsIn } from '../translate/refusals.js';
import { translateService } from '../translate/service.js';
import { makeResources, type ServiceResources } from './service-resources.js';

interface Prepared {
  readonly pinSecret: Buffer;
  /** What else of the context the resources were made with. */
  readonly madeWith: string;
  readonly resources: ServiceResources;
}

/**
 * Resources of services that are about to be put in force. A service is translated when its edit is checked, and what
 * it became is served once the edit is stored. The services of edits that come to nothing are forgotten with them.
 */
export class PreparedResources {
  private readonly prepared = new WeakMap<MeshService, Prepared>();

  /** Translates a service as it is to be served. @returns what sidecars would refuse of it */
  prepare(service: MeshService, context: TranslateContext): Problem[] {
    const translated = translateService(service, context);
    const problems = refusalsIn(service, translated);
    if (problems.length === 0) {
      const resources = makeResources(service, context, translated);
      const { pinSecret } = context;
      this.prepared.set(service, { pinSecret, madeWith: describe(service, context), resources });
    }
    return problems;
  }

  /** What a service becomes; made now where it has not been prepared in just this way. */
  take(service: MeshService, context: TranslateContext): ServiceResources {
    const known = this.prepared.get(service);
    this.prepared.delete(service);
    const isSame =
      known?.madeWith === describe(service, context) && known.pinSecret.equals(context.pinSecret);
    return known !== undefined && isSame ? known.resources : makeResources(service, context);
  }
}

function describe(service: MeshService, context: TranslateContext): string {
  const births = service.spec.versions.map(({ name }) => context.incarnation(service, name));
  return JSON.stringify([births, context.grantOf?.(service)]);
}
