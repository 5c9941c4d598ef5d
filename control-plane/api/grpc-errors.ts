import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import {
  OUTCOME_TRAILER,
  PROBLEMS_TRAILER,
  type ProblemMessage,
  problemsCodec,
} from '../../src/api/config-service.js';
import { OperationError } from '../../src/model/operations.js';
import { formatProblem, type Problem } from '../../src/model/problems.js';
import { printableLines } from '../../src/telemetry/printable.js';
import { UnknownSessionError } from '../sessions/session-report.js';
import {
  ChangedInFileError,
  DeclaredInFileError,
  InvalidBackupError,
  NothingToUndoError,
  OutcomeUnknownError,
  OvertakenError,
  RejectedError,
  RevisionConflictError,
  StoreUnavailableError,
  UnknownServiceError,
} from '../store/errors.js';

/** A request that makes no sense whatever the configuration is. */
export class InvalidRequestError extends Error {}

/** Problems are told up to this size; a gRPC status travels in HTTP/2 headers, which clients bound. */
const MAX_PROBLEMS_BYTES = 4096;

/** What a user's mistake, or the store's, is as a gRPC status. */
export function toServiceError(error: unknown, definition: PackageDefinition): Partial<ServiceError> {
  if (error instanceof RejectedError) return rejected(error, definition);
  const message = error instanceof Error ? error.message : String(error);
  const metadata = new Metadata();
  metadata.set(OUTCOME_TRAILER, error instanceof OutcomeUnknownError ? 'unknown' : 'not-made');
  return { code: codeOf(error), details: clip(message), metadata };
}

function codeOf(error: unknown): status {
  if (error instanceof InvalidRequestError || error instanceof InvalidBackupError)
    return status.INVALID_ARGUMENT;
  if (error instanceof UnknownServiceError || error instanceof UnknownSessionError) return status.NOT_FOUND;
  if (error instanceof RevisionConflictError || error instanceof OvertakenError) return status.ABORTED;
  if (error instanceof StoreUnavailableError) return status.UNAVAILABLE;
  if (error instanceof OutcomeUnknownError) return status.DEADLINE_EXCEEDED;
  const failedPreconditions = [OperationError, ChangedInFileError, DeclaredInFileError, NothingToUndoError];
  if (failedPreconditions.some((type) => error instanceof type)) return status.FAILED_PRECONDITION;
  return status.INTERNAL;
}

type DocumentProblem = Problem & { readonly document: number };

function rejected({ problems }: RejectedError, definition: PackageDefinition): Partial<ServiceError> {
  const all = [...problems].flatMap(([document, list]) => list.map((problem) => ({ document, ...problem })));
  const told = fitting(all);
  const metadata = new Metadata();
  const message = { problems: told.map(toMessage), more: all.length - told.length };
  metadata.set(OUTCOME_TRAILER, 'not-made');
  metadata.set(PROBLEMS_TRAILER, Buffer.from(problemsCodec(definition).serialize(message)));
  const more = told.length < all.length ? [`and ${all.length - told.length} more problems`] : [];
  return {
    code: status.INVALID_ARGUMENT,
    details: clip([...told.map(formatProblem), ...more].join('\n')),
    metadata,
  };
}

/** As many of the problems as there is room for, at least one. */
function fitting(problems: readonly DocumentProblem[]): readonly DocumentProblem[] {
  let size = 0;
  const end = problems.findIndex((problem) => {
    size += Buffer.byteLength(formatProblem(problem)) + 20;
    return size > MAX_PROBLEMS_BYTES;
  });
  return end === -1 ? problems : problems.slice(0, Math.max(1, end));
}

function toMessage({ document, path, message }: DocumentProblem): ProblemMessage {
  return { document, path: JSON.stringify(path), message: clip(message) };
}

function clip(text: string): string {
  const clipped = printableLines(
    text.length > MAX_PROBLEMS_BYTES ? `${text.slice(0, MAX_PROBLEMS_BYTES)}…` : text,
  );
  // gRPC fails on half a character.
  return Buffer.from(clipped).toString();
}
