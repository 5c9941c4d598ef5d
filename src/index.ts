/**
 * What programs may import from the package: the check of a resource, as `roost apply` makes it, and the types of its
 * fields. Everything else is internal and changes without notice.
 */
export { type MeshService, parseMeshService } from './model/mesh-service.js';
export { InvalidResourceError, type Problem } from './model/problems.js';
export type { MeshServiceInput } from './model/schema.js';
export { VERSION } from './version.js';
