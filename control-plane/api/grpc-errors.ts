import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { PROBLEMS_TRAILER, problemsCodec } from '../../src/api/config-service.js';
import { OperationError } from '../../src/model/operations.js';
import { formatProblem } from '../../src/model/problems.js';
import {
  DeclaredInFileError,
  RejectedError,
  RevisionConflictError,
  UnknownServiceError,
} from '../store/config-store.js';

/** What a user's mistake, or the store's, is as a gRPC status. */
export function toServiceError(error: unknown, definition: PackageDefinition): Partial<ServiceError> {
  if (error instanceof RejectedError) return rejected(error, definition);
  const message = error instanceof Error ? error.message : String(error);
  return { code: codeOf(error), details: message };
}

function codeOf(error: unknown): status {
  if (error instanceof UnknownServiceError) return status.NOT_FOUND;
  if (error instanceof RevisionConflictError) return status.ABORTED;
  if (error instanceof OperationError || error instanceof DeclaredInFileError)
    return status.FAILED_PRECONDITION;
  if (error instanceof TypeError || error instanceof RangeError) return status.INTERNAL;
  return status.UNAVAILABLE;
}

function rejected({ problems }: RejectedError, definition: PackageDefinition): Partial<ServiceError> {
  const all = [...problems].flatMap(([document, list]) => list.map((problem) => ({ document, ...problem })));
  const metadata = new Metadata();
  const message = {
    problems: all.map(({ document, path, message }) => ({ document, path: JSON.stringify(path), message })),
  };
  metadata.set(PROBLEMS_TRAILER, Buffer.from(problemsCodec(definition).serialize(message)));
  return { code: status.INVALID_ARGUMENT, details: all.map(formatProblem).join('\n'), metadata };
}
