import { type ClientDuplexStream, type ServiceError, status } from '@grpc/grpc-js';
import { BackOff } from '../../src/lifecycle/back-off.js';
import type { Logger } from '../../src/telemetry/logger.js';
import { type Message, serviceDefinition } from '../../src/xds/descriptors.js';
import { durationMs } from '../../src/xds/fields.js';
import { type ClusterLoad, encodeClusterLoad, LRS_SERVICE, withWaiting } from '../../src/xds/load-report.js';
import {
  answering,
  decodeQuestion,
  type SessionAnswer,
  type SessionQuestion,
  withAnswer,
} from '../../src/xds/session-survey.js';
import { CONTROL_PLANE_BACK_OFF_MS } from './control-plane-channel.js';
import type { ControlPlanes } from './control-planes.js';

/** Bounds of what a server may ask for between two reports. */
const MIN_INTERVAL_MS = 100;
const MAX_INTERVAL_MS = 600_000;
/** A server that has no load reporting is asked again after this: it may be replaced by one that has. */
const UNIMPLEMENTED_RETRY_MS = 60_000;

type LoadStream = ClientDuplexStream<object, Message>;

export interface LoadReporterOptions {
  readonly controlPlanes: ControlPlanes;
  readonly node: object;
  /** Route configurations that have been accepted and are not in force yet. */
  waiting(): readonly string[];
  /** What is new since the last call. */
  collect(): Promise<readonly ClusterLoad[]>;
  /** What our control plane asks about sessions. */
  survey(question: SessionQuestion): AsyncIterable<SessionAnswer>;
  readonly log: Logger;
}

/**
 * Reports load to the control plane in use (LRS, `envoy.service.load_stats.v3`) as often as it asks for. One stream,
 * reopened with growing waits; what happens meanwhile is in the next report. A server without LRS is left alone.
 */
export class LoadReporter {
  private readonly backOff = new BackOff(CONTROL_PLANE_BACK_OFF_MS.first, CONTROL_PLANE_BACK_OFF_MS.max);
  private stream: LoadStream | undefined;
  private reopening: NodeJS.Timeout | undefined;
  private reporting: NodeJS.Timeout | undefined;
  private lastReportAt = performance.now();
  private closed = false;

  constructor(private readonly options: LoadReporterOptions) {}

  start(): void {
    const method = serviceDefinition(LRS_SERVICE).StreamLoadStats;
    if (method === undefined) throw new Error('the descriptor bundle lacks StreamLoadStats; build again');
    const { controlPlanes, node } = this.options;
    const stream = controlPlanes.current.channel.makeBidiStreamRequest<object, Message>(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
    );
    this.stream = stream;
    stream.on('data', (response: Message) => this.onResponse(stream, response));
    stream.on('error', (error: ServiceError) => this.onBroken(stream, error.code));
    stream.on('end', () => this.onBroken(stream, undefined));
    stream.write({ node: answering(node) });
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.reopening);
    clearTimeout(this.reporting);
    this.stream?.cancel();
    this.options.controlPlanes.close();
  }

  /** The server says what it wants. All clusters are reported, whichever it names: those it knows it picks out. */
  private onResponse(stream: LoadStream, response: Message): void {
    this.backOff.reset();
    const question = decodeQuestion(response);
    if (question !== undefined) return void this.answer(stream, question);
    const wantedMs = durationMs(response.loadReportingInterval) ?? 0;
    const intervalMs = Math.min(Math.max(wantedMs, MIN_INTERVAL_MS), MAX_INTERVAL_MS);
    clearTimeout(this.reporting);
    this.reporting = setTimeout(() => this.report(stream, intervalMs), intervalMs);
  }

  private async answer(stream: LoadStream, question: SessionQuestion): Promise<void> {
    const { node, survey, log } = this.options;
    try {
      for await (const part of survey(question)) {
        if (this.stream !== stream) return;
        stream.write({ node: withAnswer(node, part) });
      }
    } catch (error) {
      log.error({ err: error }, 'no sessions could be told to the control plane');
    }
  }

  private report(stream: LoadStream, intervalMs: number): void {
    this.send(stream).then(
      () => {
        if (this.stream === stream)
          this.reporting = setTimeout(() => this.report(stream, intervalMs), intervalMs);
      },
      (error: Error) => {
        this.options.log.error({ err: error }, 'no load could be reported');
        stream.cancel();
      },
    );
  }

  private async send(stream: LoadStream): Promise<void> {
    const loads = await this.options.collect();
    if (this.stream !== stream) return;
    const now = performance.now();
    const sinceMs = now - this.lastReportAt;
    this.lastReportAt = now;
    const { node, waiting } = this.options;
    stream.write({
      node: withWaiting(node, waiting()),
      clusterStats: loads.map((load) => encodeClusterLoad(load, sinceMs)),
    });
  }

  private onBroken(stream: LoadStream, code: status | undefined): void {
    if (this.stream !== stream) return;
    this.stream = undefined;
    clearTimeout(this.reporting);
    stream.cancel();
    if (this.closed) return;
    const waitMs = code === status.UNIMPLEMENTED ? UNIMPLEMENTED_RETRY_MS : this.backOff.next();
    this.options.log.debug({ code, retryInMs: Math.round(waitMs) }, 'no load is reported at present');
    this.reopening = setTimeout(() => this.start(), waitMs);
  }
}
