import { z } from 'zod';
import { dnsLabel } from '../model/scalars.js';
import { ALL_NAMESPACES } from './role.js';

/** What a credential is called in logs and in the history of changes. */
export const credentialName = z.string().regex(/^[\w.@:/-]{1,128}$/, {
  error: 'is not a name; use at most 128 letters, digits and "._@:/-"',
});

/** A namespace that a credential is good for. */
export const credentialNamespace = z.union([z.literal(ALL_NAMESPACES), dnsLabel]);
