import { randomUUID } from 'node:crypto';
import type { ServerUnaryCall } from '@grpc/grpc-js';
import { ACTOR_METADATA, REQUEST_ID_METADATA } from '../../src/api/config-service.js';
import type { Author } from '../../src/model/author.js';
import { canonicalIp } from '../../src/net/ip-address.js';
import { actorOf } from '../access/caller.js';

const MAX_NAME_CHARACTERS = 100;

/** Who makes a call: the address that it comes from, and its credential's name, or where none is needed, who it says it is. */
export function authorOf(call: Pick<ServerUnaryCall<unknown, unknown>, 'metadata' | 'getPeer'>): Author {
  return { origin: 'api', name: actorOf(call) || claimedName(call), peer: withoutPort(call.getPeer()) };
}

function claimedName(call: Pick<ServerUnaryCall<unknown, unknown>, 'metadata'>): string {
  const [claimed] = call.metadata.get(ACTOR_METADATA);
  const text = Buffer.isBuffer(claimed) ? claimed.toString('utf8') : '';
  // What would spoil a log or a terminal has no place in a name.
  return text
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim()
    .slice(0, MAX_NAME_CHARACTERS);
}

function withoutPort(peer: string): string {
  const address = peer.replace(/:\d+$/, '');
  return canonicalIp(address) ?? address;
}

/**
 * The name that a caller gives a request, so that it is not done twice; a unique one where it gives none.
 * One caller's names say nothing about another's requests.
 */
export function requestIdOf(call: Pick<ServerUnaryCall<unknown, unknown>, 'metadata'>): string {
  const [given] = call.metadata.get(REQUEST_ID_METADATA);
  const isName = typeof given === 'string' && /^[\w-]{1,64}$/.test(given);
  return `${actorOf(call)}/${isName ? given : randomUUID()}`;
}
