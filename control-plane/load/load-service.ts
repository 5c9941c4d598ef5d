import type { ServerDuplexStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Message } from '../../src/xds/descriptors.js';
import { toDuration } from '../../src/xds/fields.js';
import { decodeLoadReport } from '../../src/xds/load-report.js';
import type { OpenCalls } from '../open-calls.js';
import type { LoadStore } from './load-store.js';

type LoadCall = ServerDuplexStream<Message, object>;

/**
 * The load reporting service (LRS): asks every client for the load of all its clusters.
 *
 * @param intervalMs asked for between two reports
 */
export function loadReportingService(
  store: LoadStore,
  intervalMs: number,
  open: OpenCalls,
): UntypedServiceImplementation {
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
      open.add(call, () => store.forget(call));
    },
  };
}
