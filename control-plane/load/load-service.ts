import type { ServerDuplexStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Message } from '../../src/xds/descriptors.js';
import { messages, toDuration } from '../../src/xds/fields.js';
import { decodeClusterLoad } from '../../src/xds/load-report.js';
import type { LoadStore } from './load-store.js';

const REPORT_INTERVAL_MS = 5000;

type LoadCall = ServerDuplexStream<Message, object>;

/** The load reporting service (LRS): asks every client for the load of all its clusters. */
export function loadReportingService(store: LoadStore): UntypedServiceImplementation {
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
            loadReportingInterval: toDuration(REPORT_INTERVAL_MS),
          });
        }
        for (const stats of messages(request.clusterStats)) store.report(call, decodeClusterLoad(stats));
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
