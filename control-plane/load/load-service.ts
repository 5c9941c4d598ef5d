import type { ServerDuplexStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Message } from '../../src/xds/descriptors.js';
import { toDuration } from '../../src/xds/fields.js';
import { decodeLoadReport } from '../../src/xds/load-report.js';
import type { LoadStore } from './load-store.js';

type LoadCall = ServerDuplexStream<Message, object>;

/**
 * The load reporting service (LRS): asks every client for the load of all its clusters.
 *
 * @param intervalMs asked for between two reports
 */
export function loadReportingService(store: LoadStore, intervalMs: number): UntypedServiceImplementation {
  return {
    StreamLoadStats(call: LoadCall) {
      let asked = false;
      call.on('data', (request: Message) => {
        // The first request only says who is there. All clusters are asked for: some clients mistake a list.
        if (!asked) {
          asked = true;
          call.write({
            sendAllClusters: true,
            reportEndpointGranularity: true,
            loadReportingInterval: toDuration(intervalMs),
          });
        }
        store.report(call, decodeLoadReport(request));
      });
      const leave = () => store.forget(call);
      call.on('end', () => {
        leave();
        call.end();
      });
      call.on('error', leave);
      call.on('close', leave);
      call.on('cancelled', leave);
    },
  };
}
