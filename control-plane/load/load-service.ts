import type { ServerDuplexStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import { type ClientNode, readNode } from '../../src/xds/client-node.js';
import type { Message } from '../../src/xds/descriptors.js';
import { toDuration } from '../../src/xds/fields.js';
import { decodeLoadReport } from '../../src/xds/load-report.js';
import { decodeAnswer, isAnswering } from '../../src/xds/session-survey.js';
import type { OpenCalls } from '../ports/open-calls.js';
import type { LoadStore } from './load-store.js';
import type { SessionSurvey } from './session-survey.js';

type LoadCall = ServerDuplexStream<Message, object>;

/** A client by the namespace that it may say it is of, and the name that it gives itself there. */
export function nodeKey({ namespace, id }: Pick<ClientNode, 'namespace' | 'id'>): string {
  return `${namespace}/${id}`;
}

function reporterOf({ node }: Message): string {
  return nodeKey(readNode(node ?? undefined));
}

/**
 * The load reporting service (LRS): asks every client for the load of all its clusters.
 *
 * @param intervalMs asked for between two reports
 * @param survey asks those clients that answer which sessions they hold
 */
export function loadReportingService(
  store: LoadStore,
  intervalMs: number,
  survey: SessionSurvey,
  open: OpenCalls,
): UntypedServiceImplementation {
  return {
    StreamLoadStats(call: LoadCall) {
      let asked = false;
      call.on('data', (request: Message) => {
        // The first request only says who is there. All clusters are asked for: some clients mistake a list.
        if (!asked) {
          asked = true;
          if (isAnswering(request)) survey.join(call);
          call.write({
            sendAllClusters: true,
            reportEndpointGranularity: true,
            loadReportingInterval: toDuration(intervalMs),
          });
        }
        const answer = decodeAnswer(request);
        if (answer === undefined)
          store.report(call, { ...decodeLoadReport(request), node: reporterOf(request) });
        else survey.hear(call, answer);
      });
      open.add(call, () => {
        store.forget(call);
        survey.leave(call);
      });
    },
  };
}
