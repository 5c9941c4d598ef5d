import type { MeshServiceInput } from '../model/schema.js';

/** Parts of a MeshService as a user writes it. */
export type SpecInput = MeshServiceInput['spec'];
export type RouteInput = NonNullable<SpecInput['routes']>[number];
export type SplitInput = NonNullable<RouteInput['split']>;
export type MatchInput = NonNullable<RouteInput['match']>[number];
export type PathInput = NonNullable<MatchInput['path']>;
export type VersionInput = SpecInput['versions'][number];
export type AffinityInput = NonNullable<SpecInput['affinity']>;
export type RetriesInput = NonNullable<RouteInput['retries']>;
