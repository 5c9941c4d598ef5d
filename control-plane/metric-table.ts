import type { MetricTable } from '../src/telemetry/metrics.js';
import { PROCESS_METRICS } from '../src/telemetry/process-metrics.js';

/** Every metric of the control plane. `docs/metrics.md` has the same; a test compares them. */
export const CONTROL_PLANE_METRICS = {
  roost_control_plane_revision: {
    type: 'gauge',
    labels: [],
    help: 'Revision of the configuration in force.',
  },
  roost_control_plane_services: { type: 'gauge', labels: [], help: 'Services configured.' },
  roost_control_plane_store_available: {
    type: 'gauge',
    labels: [],
    help: '0 while the store that control planes share does not answer and changes are refused, else 1.',
  },
  roost_control_plane_config_file_problems: {
    type: 'gauge',
    labels: [],
    help: 'Problems that keep the files of --config from being in force; 0: they are.',
  },
  roost_control_plane_config_files_waiting: {
    type: 'gauge',
    labels: [],
    help: 'What the files of --config wait for before they take effect, such as services that no file declares any more.',
  },
  roost_control_plane_replicas: {
    type: 'gauge',
    labels: [],
    help: 'Control planes over this store, this one included.',
  },
  roost_control_plane_clients: {
    type: 'gauge',
    labels: ['protocol'],
    help: 'xDS clients connected, by the variant of the protocol.',
  },
  roost_control_plane_clients_in_sync: {
    type: 'gauge',
    labels: [],
    help: 'xDS clients that have answered everything sent to them.',
  },
  roost_control_plane_responses_total: {
    type: 'counter',
    labels: ['type'],
    help: 'Responses sent to clients.',
  },
  roost_control_plane_acknowledgements_total: {
    type: 'counter',
    labels: ['type'],
    help: 'Responses that clients accepted (ACK).',
  },
  roost_control_plane_rejections_total: {
    type: 'counter',
    labels: ['type'],
    help: 'Responses that clients refused (NACK).',
  },
  roost_control_plane_cut_off_clients_total: {
    type: 'counter',
    labels: [],
    help: 'Clients cut off because they took nothing of what they were sent for a minute.',
  },
  roost_control_plane_push_duration_seconds: {
    type: 'histogram',
    labels: [],
    help: 'From a change until every connected client has been sent it, or is known not to keep up.',
  },
  roost_control_plane_answer_duration_seconds: {
    type: 'histogram',
    labels: [],
    help: 'From sending a change to a client until it has answered all of it.',
  },
  roost_control_plane_refused_calls_total: {
    type: 'counter',
    labels: ['reason'],
    help: 'Calls refused before they reached a method.',
  },
  roost_control_plane_certificate_not_after_timestamp_seconds: {
    type: 'gauge',
    labels: [],
    help: 'When the certificate of the TLS port ends, in seconds since 1970; absent without one.',
  },
  roost_control_plane_session_sharing_sidecars: {
    type: 'gauge',
    labels: [],
    help: 'Sidecars that share the pins of sessions through this control plane.',
  },
  roost_control_plane_shared_pins: {
    type: 'gauge',
    labels: [],
    help: 'Pins kept for sidecars that start.',
  },
  roost_control_plane_shared_pins_received_total: {
    type: 'counter',
    labels: [],
    help: 'Pins that were new, had changed or were in use, from sidecars.',
  },
  roost_control_plane_session_sharing_conflicts_total: {
    type: 'counter',
    labels: [],
    help: 'Pins from sidecars that lost to another pin of the same session.',
  },
  roost_control_plane_session_sharing_damaged_total: {
    type: 'counter',
    labels: [],
    help: 'Records from sidecars that could not be read.',
  },
  roost_control_plane_session_sharing_delayed_total: {
    type: 'counter',
    labels: [],
    help: 'Times a sidecar was made to wait because it sent more pins than its rate allows.',
  },
  ...PROCESS_METRICS,
} as const satisfies MetricTable;
