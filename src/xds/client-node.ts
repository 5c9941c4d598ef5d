import { message, text } from './fields.js';

/** Who is on the other end of a stream, as its first request says. */
export interface ClientNode {
  readonly id: string;
  /** `roost`, `envoy`, `grpc` or whatever else the client calls itself. */
  readonly agent: string;
  readonly agentVersion: string;
  /** The service the client runs beside, `name.namespace`; empty where it does not say. */
  readonly service: string;
  readonly namespace: string;
  readonly release: string;
}

export const UNKNOWN_NODE: ClientNode = {
  id: '',
  agent: '',
  agentVersion: '',
  service: '',
  namespace: 'default',
  release: '',
};

/** Longest text taken from a client for logs and status. */
const MAX_TEXT = 256;

export function readNode(raw: unknown): ClientNode {
  const node = message(raw);
  if (node === undefined) return UNKNOWN_NODE;
  const id = clip(text(node.id));
  const metadata = message(message(node.metadata)?.fields) ?? {};
  const field = (name: string) => clip(text(message(metadata[name])?.stringValue));
  return {
    id,
    agent: agentOf(text(node.userAgentName)),
    agentVersion: clip(text(node.userAgentVersion)),
    service: field('service'),
    namespace: field('namespace') || field('NAMESPACE') || namespaceOfIstioId(id) || 'default',
    release: field('release'),
  };
}

function agentOf(name: string): string {
  const lower = name.toLowerCase();
  const known = ['roost', 'envoy', 'grpc'].find((agent) => lower.includes(agent));
  return known ?? clip(name);
}

/** `sidecar~10.0.0.1~pod.namespace~namespace.svc.cluster.local` */
function namespaceOfIstioId(id: string): string {
  const parts = id.split('~');
  return parts.length === 4 ? ((parts[2] as string).split('.')[1] ?? '') : '';
}

function clip(value: string): string {
  return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
}
