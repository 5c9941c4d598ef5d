import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { codec } from '../../src/xds/descriptors.js';

/** A client on bare HTTP/2, which can stop reading altogether. */
export class DeafClient {
  readonly session: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;
  bytesRead = 0;

  constructor(address: string) {
    this.session = connect(`http://${address}`, { settings: { initialWindowSize: 1024 } });
    this.session.on('error', () => {});
    this.stream = this.session.request({
      ':method': 'POST',
      ':path': '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    this.stream.on('error', () => {});
  }

  request(fields: object): void {
    const body = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest').encode(fields);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    this.stream.write(Buffer.concat([head, body]));
  }
}
