import type { MethodDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs/light.js';

/**
 * What is used of etcd's v3 API: messages with the fields that are sent or read, numbered as etcd's API reference
 * has them. Unknown fields of answers are skipped, as protobuf does.
 */

/** Field number, type, and whether it is a list. */
type Field = readonly [number, string] | readonly [number, string, 'repeated'];

const MESSAGES: Readonly<Record<string, Readonly<Record<string, Field>>>> = {
  Header: { revision: [3, 'int64'] },
  KeyValue: {
    key: [1, 'bytes'],
    modRevision: [3, 'int64'],
    value: [5, 'bytes'],
  },
  RangeRequest: {
    key: [1, 'bytes'],
    rangeEnd: [2, 'bytes'],
    limit: [3, 'int64'],
    revision: [4, 'int64'],
  },
  RangeResponse: { header: [1, 'Header'], kvs: [2, 'KeyValue', 'repeated'], more: [3, 'bool'] },
  PutRequest: { key: [1, 'bytes'], value: [2, 'bytes'], lease: [3, 'int64'] },
  PutResponse: { header: [1, 'Header'] },
  DeleteRangeRequest: { key: [1, 'bytes'], rangeEnd: [2, 'bytes'] },
  DeleteRangeResponse: { header: [1, 'Header'] },
  RequestOp: {
    requestRange: [1, 'RangeRequest'],
    requestPut: [2, 'PutRequest'],
    requestDeleteRange: [3, 'DeleteRangeRequest'],
  },
  ResponseOp: { responseRange: [1, 'RangeResponse'] },
  // Result 0 is EQUAL; target 0 is VERSION, 2 is MOD.
  Compare: {
    result: [1, 'int32'],
    target: [2, 'int32'],
    key: [3, 'bytes'],
    version: [4, 'int64'],
    modRevision: [6, 'int64'],
  },
  TxnRequest: {
    compare: [1, 'Compare', 'repeated'],
    success: [2, 'RequestOp', 'repeated'],
    failure: [3, 'RequestOp', 'repeated'],
  },
  TxnResponse: { header: [1, 'Header'], succeeded: [2, 'bool'], responses: [3, 'ResponseOp', 'repeated'] },
  WatchCreateRequest: {
    key: [1, 'bytes'],
    rangeEnd: [2, 'bytes'],
    startRevision: [3, 'int64'],
    progressNotify: [4, 'bool'],
  },
  WatchRequest: { createRequest: [1, 'WatchCreateRequest'] },
  Event: { type: [1, 'int32'], kv: [2, 'KeyValue'] },
  WatchResponse: {
    header: [1, 'Header'],
    created: [3, 'bool'],
    canceled: [4, 'bool'],
    compactRevision: [5, 'int64'],
    cancelReason: [6, 'string'],
    events: [11, 'Event', 'repeated'],
  },
  LeaseGrantRequest: { TTL: [1, 'int64'], ID: [2, 'int64'] },
  LeaseGrantResponse: { header: [1, 'Header'], ID: [2, 'int64'], TTL: [3, 'int64'] },
  LeaseRevokeRequest: { ID: [1, 'int64'] },
  LeaseRevokeResponse: { header: [1, 'Header'] },
  LeaseKeepAliveRequest: { ID: [1, 'int64'] },
  LeaseKeepAliveResponse: { header: [1, 'Header'], ID: [2, 'int64'], TTL: [3, 'int64'] },
  AuthenticateRequest: { name: [1, 'string'], password: [2, 'string'] },
  AuthenticateResponse: { header: [1, 'Header'], token: [2, 'string'] },
};

export interface Header {
  /** Of the whole of etcd: counts every write to anything. */
  readonly revision: number;
}

export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Revision of etcd that last wrote it. */
  readonly modRevision: number;
}

export interface RangeRequest {
  readonly key: Buffer;
  /** Up to here, this not included; absent: the one key. */
  readonly rangeEnd?: Buffer;
  readonly limit?: number;
  /** As it was at this revision; absent: now. */
  readonly revision?: number;
}

export interface RangeResponse {
  readonly header: Header;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
}

export interface PutRequest {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly lease?: number;
}

export type RequestOp =
  | { readonly requestPut: PutRequest }
  | { readonly requestDeleteRange: { readonly key: Buffer; readonly rangeEnd?: Buffer } }
  | { readonly requestRange: RangeRequest };

export interface TxnRequest {
  /** All must hold for `success` to be done; otherwise `failure` is. */
  readonly compare: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}

export interface Compare {
  readonly result: 0;
  readonly target: 0 | 2;
  readonly key: Buffer;
  readonly version?: number;
  readonly modRevision?: number;
}

export interface TxnResponse {
  readonly header: Header;
  readonly succeeded: boolean;
  readonly responses: readonly { readonly responseRange: RangeResponse | null }[];
}

export interface WatchResponse {
  readonly header: Header;
  readonly created: boolean;
  readonly canceled: boolean;
  /** Above 0: what was to be watched from is gone; this is the oldest that is there. */
  readonly compactRevision: number;
  readonly cancelReason: string;
  readonly events: readonly object[];
}

/** The key's last write was this one. */
export function wasLastWrittenAt(key: Buffer, modRevision: number): Compare {
  return { result: 0, target: 2, key, modRevision };
}

export function doesNotExist(key: Buffer): Compare {
  return { result: 0, target: 0, key, version: 0 };
}

const root = protobuf.Root.fromJSON({
  nested: Object.fromEntries(
    Object.entries(MESSAGES).map(([name, fields]) => [
      name,
      {
        fields: Object.fromEntries(
          Object.entries(fields).map(([field, [id, type, rule]]) => [
            field,
            { id, type, ...(rule && { rule }) },
          ]),
        ),
      },
    ]),
  ),
});
root.resolveAll();

const TO_OBJECT: protobuf.IConversionOptions = { longs: Number, defaults: true, arrays: true };

/** How one method of etcd is called. */
export type EtcdMethod = Pick<
  MethodDefinition<object, object>,
  'path' | 'requestSerialize' | 'responseDeserialize'
>;

function method(path: string, request: string, response: string): EtcdMethod {
  const [requestType, responseType] = [root.lookupType(request), root.lookupType(response)];
  return {
    path: `/etcdserverpb.${path}`,
    requestSerialize: (value) => requestType.encode(requestType.fromObject(value)).finish() as Buffer,
    responseDeserialize: (bytes) => responseType.toObject(responseType.decode(bytes), TO_OBJECT),
  };
}

export const RANGE = method('KV/Range', 'RangeRequest', 'RangeResponse');
export const PUT = method('KV/Put', 'PutRequest', 'PutResponse');
export const TXN = method('KV/Txn', 'TxnRequest', 'TxnResponse');
export const WATCH = method('Watch/Watch', 'WatchRequest', 'WatchResponse');
export const LEASE_GRANT = method('Lease/LeaseGrant', 'LeaseGrantRequest', 'LeaseGrantResponse');
export const LEASE_REVOKE = method('Lease/LeaseRevoke', 'LeaseRevokeRequest', 'LeaseRevokeResponse');
export const LEASE_KEEP_ALIVE = method(
  'Lease/LeaseKeepAlive',
  'LeaseKeepAliveRequest',
  'LeaseKeepAliveResponse',
);
export const AUTHENTICATE = method('Auth/Authenticate', 'AuthenticateRequest', 'AuthenticateResponse');
