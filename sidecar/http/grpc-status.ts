import type { Field } from '../../src/http/field-line.js';
import { parseGrpcStatus } from '../../src/http/grpc.js';
import { headerName } from '../../src/http/header-name.js';
import type { ResponseMessage } from './message.js';

const GRPC_STATUS = headerName('grpc-status');

/** The status of a gRPC call without messages, whose head is its trailers. */
export function grpcStatusIn(response: ResponseMessage): number | undefined {
  const value = response.header(GRPC_STATUS);
  return value === undefined ? undefined : parseGrpcStatus(value);
}

/** The status of a gRPC call, in the trailers of its response. */
export function grpcStatusAmong(trailers: readonly Field[]): number | undefined {
  const field = trailers.find(([name]) => name.toLowerCase() === GRPC_STATUS.lower);
  return field && parseGrpcStatus(field[1]);
}
