import { z } from 'zod';
import type { PatchOperation } from '../../src/inject/edits.js';

/** What Roost reads of an AdmissionReview (admission.k8s.io/v1). */
const review = z.looseObject({
  apiVersion: z.literal('admission.k8s.io/v1', { error: 'must be admission.k8s.io/v1' }),
  kind: z.literal('AdmissionReview', { error: 'must be AdmissionReview' }),
  request: z.looseObject({
    uid: z.string().min(1),
    kind: z.looseObject({ group: z.string(), version: z.string(), kind: z.string() }),
    operation: z.string(),
    namespace: z.string().optional(),
    name: z.string().optional(),
    object: z.unknown().optional(),
  }),
});

export type AdmissionRequest = z.infer<typeof review>['request'];

/** What a webhook decides about an object. */
export interface Decision {
  readonly allowed: boolean;
  /** Why it is refused. */
  readonly message?: string;
  readonly patch?: readonly PatchOperation[];
  /** Shown by kubectl to the user who creates the object. */
  readonly warnings?: readonly string[];
}

/** The body of a call is not an AdmissionReview. */
export class InvalidReviewError extends Error {}

/** @throws InvalidReviewError */
export function parseReview(body: string): AdmissionRequest {
  const parsed = review.safeParse(parseJson(body));
  if (parsed.success) return parsed.data.request;
  const problems = parsed.error.issues.map(
    ({ path, message }) => `${path.join('.') || 'the body'}: ${message}`,
  );
  throw new InvalidReviewError(`not an AdmissionReview: ${problems.join('; ')}`);
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new InvalidReviewError(`not JSON: ${(error as Error).message}`);
  }
}

/** Unprocessable: the object's own fields are wrong. */
const REFUSED = 422;
/** Kubernetes cuts warnings off after 256 characters or so. */
const MAX_WARNINGS = 10;

export function answerReview({ uid }: Pick<AdmissionRequest, 'uid'>, decision: Decision): object {
  const { allowed, message, patch = [], warnings = [] } = decision;
  const response = {
    uid,
    allowed,
    ...(allowed ? {} : { status: { code: REFUSED, reason: 'Invalid', message } }),
    ...(patch.length === 0
      ? {}
      : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }),
    ...(warnings.length === 0 ? {} : { warnings: warnings.slice(0, MAX_WARNINGS) }),
  };
  return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response };
}
