import type { PackageDefinition, ServiceDefinition } from '@grpc/proto-loader';
import protobuf from 'protobufjs/light.js';
import { fromStruct, type Struct } from './struct.js';
import { decodeStruct, encodeStruct } from './struct-codec.js';

/** Documents of an apply, as they are written: they skip the general codec on their way. */
export class PlainDocument {
  constructor(readonly value: object) {}
}

/** A document in either form, as plain JSON. */
export function plainValue(document: PlainDocument | Struct): object {
  return document instanceof PlainDocument ? document.value : fromStruct(document);
}

/** `ApplyRequest.documents`, length-delimited. */
const DOCUMENTS_TAG = (1 << 3) | 2;

interface Codec {
  requestSerialize(value: object): Buffer;
  requestDeserialize(bytes: Buffer): object;
}

/**
 * Lets `Apply` be called with {@link PlainDocument}s as well as with Structs, and gives the server all of them as
 * {@link PlainDocument}s. What is on the wire is the same.
 */
export function withPlainDocuments(definition: PackageDefinition): PackageDefinition {
  const service = definition['roost.v1.ConfigService'] as ServiceDefinition;
  const apply = service.Apply as unknown as Codec;
  const { requestSerialize, requestDeserialize } = apply;
  const plain: Codec = {
    requestSerialize(request) {
      const { documents = [], ...others } = request as { documents?: readonly object[] };
      const structs = documents.filter((document) => !(document instanceof PlainDocument));
      // One kind or the other: their order is kept.
      if (structs.length > 0) return requestSerialize(request);
      const writer = protobuf.Writer.create();
      for (const document of documents as readonly PlainDocument[])
        writer.uint32(DOCUMENTS_TAG).bytes(encodeStruct(document.value));
      return Buffer.concat([requestSerialize(others), writer.finish()]);
    },
    requestDeserialize(bytes) {
      const { documents, others } = splitRequest(bytes);
      return {
        ...requestDeserialize(others),
        documents: documents.map((document) => new PlainDocument(decodeStruct(document))),
      };
    },
  };
  const changed = { ...service, Apply: { ...service.Apply, ...plain } } as unknown as ServiceDefinition;
  return { ...definition, 'roost.v1.ConfigService': changed };
}

/** The documents, and a request of everything else. */
function splitRequest(bytes: Buffer): { documents: Uint8Array[]; others: Buffer } {
  const reader = protobuf.Reader.create(bytes);
  const documents: Uint8Array[] = [];
  const others: Buffer[] = [];
  while (reader.pos < reader.len) {
    const from = reader.pos;
    const tag = reader.uint32();
    if (tag === DOCUMENTS_TAG) documents.push(reader.bytes());
    else {
      reader.skipType(tag & 7);
      others.push(bytes.subarray(from, reader.pos));
    }
  }
  return { documents, others: Buffer.concat(others) };
}
