import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  status,
} from '@grpc/grpc-js';
import { includesRole } from '../../src/access/role.js';
import { peerIp } from '../../src/net/ip-address.js';
import type { Logger } from '../../src/telemetry/logger.js';
import { printable } from '../../src/telemetry/printable.js';
import type { Editor } from '../store/editor.js';
import { type CallWithMetadata, callerOf, isUnscoped, setCaller, visibilityOf } from './caller.js';
import type { ClientCertificate } from './client-certificate.js';
import { type CredentialSet, hasExpired } from './credential-set.js';
import type { Credential } from './credentials.js';
import { type MethodRule, ruleOf } from './method-rules.js';
import { peerGroup } from './peer-address.js';
import { type Rate, RateLimit } from './rate-limit.js';

/** Where a call comes from (grpc-js has the type and does not export it). */
export type ConnectionInfo = ReturnType<ServerInterceptingCallInterface['getConnectionInfo']>;

export interface CallGuardOptions {
  /** Undefined: every caller that reaches the port may do everything. */
  readonly credentials: CredentialSet | undefined;
  /** The client certificate of the connection that a call came on. */
  certificateOf(connection: ConnectionInfo): ClientCertificate | undefined;
  /** Told of every call that is let in, of which connection it is. */
  onAdmitted?(connection: ConnectionInfo): void;
  /** Calls of the API that a credential may make from one address; without credentials, an address. */
  readonly callRate: Rate;
  readonly log: Logger;
  nowMs(): number;
}

/** Attempts without valid credentials that are told why, by peer. Valid ones are never counted among them. */
export const FAILURE_RATE: Rate = { perSecond: 1, burst: 20 };

/** Of a method's name, which a peer makes up, in the log. */
const MAX_METHOD = 200;

/** Why a call goes no further. */
interface Refusal {
  readonly code: status.UNAUTHENTICATED | status.PERMISSION_DENIED | status.RESOURCE_EXHAUSTED;
  readonly details: string;
}

/** Calls refused so far, by why. */
export interface RefusalCounts {
  unauthenticated: number;
  forbidden: number;
  limited: number;
}

const COUNTED_AS = {
  [status.UNAUTHENTICATED]: 'unauthenticated',
  [status.PERMISSION_DENIED]: 'forbidden',
  [status.RESOURCE_EXHAUSTED]: 'limited',
} as const satisfies Record<Refusal['code'], keyof RefusalCounts>;

/**
 * Stands before every method: limits how often a peer may ask, finds out who asks, and whether they may. Calls
 * that go on for long are ended when the credential that began them is withdrawn or expires.
 */
export class CallGuard {
  readonly refusals: RefusalCounts = { unauthenticated: 0, forbidden: 0, limited: 0 };
  private credentials: CredentialSet | undefined;
  private readonly calls: RateLimit;
  private readonly failures: RateLimit;
  private readonly notes: RateLimit;
  /** Calls under way, with whose they are. As many as there are HTTP/2 streams. */
  private readonly open = new Map<ServerInterceptingCallInterface, Credential>();
  private replicaOf: (token: string) => Credential | undefined = () => undefined;

  constructor(private readonly options: CallGuardOptions) {
    this.credentials = options.credentials;
    this.calls = new RateLimit(options.callRate, options.nowMs);
    this.failures = new RateLimit(FAILURE_RATE, options.nowMs);
    this.notes = new RateLimit(FAILURE_RATE, options.nowMs);
  }

  /** For the server's options. */
  readonly interceptor: ServerInterceptor = ({ path }, call) => {
    const rule = ruleOf(path);
    let caller: Credential | undefined;
    let first = true;
    const leave = () => void this.open.delete(call);
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            const admitted = this.admit(metadata, call.getConnectionInfo(), path, rule);
            if (admitted !== undefined && 'code' in admitted) return call.sendStatus(admitted);
            this.options.onAdmitted?.(call.getConnectionInfo());
            caller = admitted;
            if (caller !== undefined) {
              setCaller(metadata, caller);
              this.open.set(call, caller);
            }
            pass(metadata);
          },
          onReceiveMessage: (message, pass) => {
            const refusal =
              caller && this.checkMessage(caller, path, rule, rule.namespacesOf(message, first));
            first = false;
            if (refusal === undefined) return pass(message);
            this.note(refusal, call.getConnectionInfo(), path);
            call.sendStatus(refusal);
          },
          onCancel: leave,
        }),
      sendStatus: (ending, next) => {
        leave();
        next(ending);
      },
    });
  };

  /** Lets other control planes over the store in, which no file of credentials names. @param ofToken whose it is */
  knowReplicas(ofToken: (token: string) => Credential | undefined): void {
    this.replicaOf = ofToken;
  }

  /** As whom the caller edits; undefined: callers need no credentials. */
  editorOf(call: CallWithMetadata): Editor | undefined {
    const caller = callerOf(call);
    if (caller === undefined) return undefined;
    return {
      grants: caller.role === 'admin' && isUnscoped(caller),
      sees: visibilityOf(call),
      isNamespace: (name) => this.credentials?.isNamespace(name) ?? false,
    };
  }

  /** Puts other credentials in force, and ends the calls of those who have lost theirs. */
  replace(credentials: CredentialSet): void {
    this.credentials = credentials;
    for (const [call, credential] of this.open)
      if (!credentials.stillHas(credential))
        this.end(call, `the credential of "${credential.name}" was withdrawn`);
  }

  /** Ends the calls of those whose credentials have expired. */
  endExpired(): void {
    const now = this.options.nowMs();
    for (const [call, credential] of this.open)
      if (hasExpired(credential, now)) this.end(call, expiryOf(credential));
  }

  private end(call: ServerInterceptingCallInterface, details: string): void {
    this.open.delete(call);
    call.sendStatus({ code: status.UNAUTHENTICATED, details });
  }

  /** @returns who calls; undefined where callers need no credentials */
  private admit(
    metadata: Metadata,
    connection: ConnectionInfo,
    path: string,
    rule: MethodRule,
  ): Credential | Refusal | undefined {
    const peer = peerGroup(connection.remoteAddress ?? '');
    const found = this.credentials && this.authenticate(metadata, connection, this.credentials);
    // From here on it cannot be written to a log.
    metadata.remove('authorization');
    if (found !== undefined && 'code' in found)
      return this.note(this.failures.take(peer) ? found : TOO_MANY_FAILURES, connection, path);
    const tooOften = this.limit(found === undefined ? peer : `${peer} ${found.name}`, rule);
    if (tooOften !== undefined) return this.note(tooOften, connection, path);
    if (found === undefined) return undefined;
    const tooLow = rule.role !== 'any' && !includesRole(found.role, rule.role);
    return tooLow ? this.note(roleTooLow(found, rule.role, path), connection, path) : found;
  }

  /** @param caller the address, and where credentials are asked for, whose: many may share an address */
  private limit(caller: string, { limited }: MethodRule): Refusal | undefined {
    if (!limited || this.calls.take(caller)) return undefined;
    return exhausted(
      `too many calls from this address, more than ${this.options.callRate.perSecond} a second`,
    );
  }

  private authenticate(
    metadata: Metadata,
    connection: ConnectionInfo,
    credentials: CredentialSet,
  ): Credential | Refusal {
    const [authorization] = metadata.get('authorization');
    const certificate = this.options.certificateOf(connection);
    if (authorization === undefined && certificate === undefined)
      return unauthenticated('credentials are needed: a bearer token or a client certificate');
    const found =
      authorization === undefined
        ? ofCertificate(certificate as ClientCertificate, credentials)
        : ofAuthorization(
            String(authorization),
            (token) => this.replicaOf(token) ?? credentials.ofToken(token),
          );
    if (typeof found === 'string') return unauthenticated(found);
    return hasExpired(found, this.options.nowMs()) ? unauthenticated(expiryOf(found)) : found;
  }

  /** What changes something leaves a trace of who asked for it, whatever becomes of it. */
  private checkMessage(
    caller: Credential,
    method: string,
    { role }: MethodRule,
    namespaces: readonly string[],
  ): Refusal | undefined {
    const refusal = checkScope(caller, namespaces);
    if (refusal === undefined && (role === 'operate' || role === 'admin'))
      this.options.log.info(
        { actor: caller.name, method, namespaces: [...new Set(namespaces)] },
        'change asked for',
      );
    return refusal;
  }

  /** Counts a refusal, and logs it; of a peer that is refused often, one a second. */
  private note(refusal: Refusal, connection: ConnectionInfo, method: string): Refusal {
    const peer = peerIp(connection);
    this.refusals[COUNTED_AS[refusal.code]]++;
    if (this.notes.take(peerGroup(peer)))
      this.options.log.warn(
        { peer, method: printable(method, MAX_METHOD), reason: refusal.details },
        'a call was refused',
      );
    return refusal;
  }
}

function checkScope(caller: Credential, namespaces: readonly string[]): Refusal | undefined {
  if (isUnscoped(caller)) return undefined;
  const outside = namespaces.find((namespace) => !caller.namespaces.includes(namespace));
  if (outside === undefined) return undefined;
  const what = outside === '*' ? 'all namespaces, which this call needs' : `the namespace "${outside}"`;
  return {
    code: status.PERMISSION_DENIED,
    details: `"${caller.name}" has no access to ${what}; it has ${caller.namespaces.join(', ')}`,
  };
}

/** @returns the reason where there is none */
function ofAuthorization(
  value: string,
  ofToken: (token: string) => Credential | undefined,
): Credential | string {
  const [, token] = /^bearer +(\S+)$/i.exec(value) ?? [];
  if (token === undefined) return 'the authorization is not "Bearer TOKEN"';
  return ofToken(token) ?? 'the token is not known here';
}

function ofCertificate(certificate: ClientCertificate, credentials: CredentialSet): Credential | string {
  if ('problem' in certificate) return `the client certificate is not accepted: ${certificate.problem}`;
  return credentials.ofCertificate(certificate) ?? 'no credential here is for the client certificate';
}

function expiryOf({ name, expires }: Credential): string {
  return `the credential of "${name}" expired at ${expires}`;
}

function roleTooLow({ name, role }: Credential, needed: string, path: string): Refusal {
  const method = path.slice(path.lastIndexOf('/') + 1);
  return {
    code: status.PERMISSION_DENIED,
    details: `"${name}" has the role ${role}; ${method} needs the role ${needed}`,
  };
}

function unauthenticated(details: string): Refusal {
  return { code: status.UNAUTHENTICATED, details };
}

const TOO_MANY_FAILURES = exhausted(
  'too many attempts without valid credentials from this address; wait some seconds',
);

function exhausted(details: string): Refusal {
  return { code: status.RESOURCE_EXHAUSTED, details };
}
