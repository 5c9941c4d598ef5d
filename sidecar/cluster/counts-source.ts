import { type ClusterCounts, OwnClusterCounts } from './cluster-counts.js';
import { type EndpointCounts, OwnEndpointCounts } from './endpoint-counts.js';

/** Where the counts of clusters and endpoints come from as configuration names them. */
export interface CountsSource {
  forCluster(name: string): ClusterCounts;
  forEndpoint(cluster: string, address: string): EndpointCounts;
}

/** For a sidecar with one worker. */
export const OWN_COUNTS: CountsSource = {
  forCluster: () => new OwnClusterCounts(),
  forEndpoint: () => new OwnEndpointCounts(),
};
