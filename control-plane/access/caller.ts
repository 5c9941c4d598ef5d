import type { Metadata } from '@grpc/grpc-js';
import { ALL_NAMESPACES } from '../../src/access/role.js';
import type { Credential } from './credentials.js';

/** A call as its handler has it. */
export interface CallWithMetadata {
  readonly metadata: Metadata;
}

/** The caller that the guard let in, by the metadata that it handed on. Nothing that a peer sends can get in here. */
const CALLERS = new WeakMap<Metadata, Credential>();

/** The guard's: says who makes the call with this metadata. */
export function setCaller(metadata: Metadata, credential: Credential): void {
  CALLERS.set(metadata, credential);
}

/** Whose credential a call is made with; undefined where none is asked for. */
export function callerOf({ metadata }: CallWithMetadata): Credential | undefined {
  return CALLERS.get(metadata);
}

/** Who makes a call, for the record: the credential's name; empty where none is asked for. */
export function actorOf(call: CallWithMetadata): string {
  return callerOf(call)?.name ?? '';
}

/** Which namespaces someone may be told of. */
export type Visibility = (namespace: string) => boolean;

const EVERYTHING: Visibility = () => true;

/** What the caller may be told of; everything where no credentials are asked for. */
export function visibilityOf(call: CallWithMetadata): Visibility {
  const credential = callerOf(call);
  if (credential === undefined || isUnscoped(credential)) return EVERYTHING;
  return (namespace) => credential.namespaces.includes(namespace);
}

export function isUnscoped({ namespaces }: Credential): boolean {
  return namespaces.includes(ALL_NAMESPACES);
}
