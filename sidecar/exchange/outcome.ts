import type { LocalReply } from '../../src/http/error-catalogue.js';
import { isGrpcError } from '../../src/http/grpc.js';

/** How an exchange ended, for metrics and logs. */
export interface Outcome {
  /** Status that the client was sent; 0: none. */
  status: number;
  /** Of a gRPC call: what its trailers said, or our own answer stands for; undefined: it had no status, or is no gRPC call. */
  grpcStatus: number | undefined;
  /** Set where the answer was our own. */
  error: LocalReply | undefined;
  /**
   * Who ended it before its time: the client by leaving, what had us cut the response off half way, or the sidecar,
   * which stopped.
   */
  cutOff: '' | 'client' | 'upstream' | 'timeout' | 'sidecar';
  /** Bytes of the bodies; a response's with its chunk framing. Of a tunnel, all that went through. */
  requestBytes: number;
  responseBytes: number;
}

/** The upstream has failed, by its status or that of gRPC. */
export function isServerError({ status, grpcStatus }: Outcome): boolean {
  return status >= 500 || (grpcStatus !== undefined && isGrpcError(grpcStatus));
}
