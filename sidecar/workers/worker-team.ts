import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { OperatorError } from '../../src/lifecycle/operator-error.js';
import type { Warn } from '../../src/telemetry/logger.js';
import type { HostVerdict } from '../discovery/on-demand.js';
import type { NewFailovers } from '../records/failovers.js';
import type { JournalEnd } from './journal.js';
import type { FromWorker, NotedPins, Questions, RoomWanted, ToWorker, WorkerSetup } from './messages.js';

/** What the main thread does about what the other workers tell it. */
export interface TeamOwner {
  onSighting(sighting: Extract<FromWorker, { kind: 'sighting' }>['sighting']): void;
  /** Asked for by one of the workers, which the others have been told. */
  onRoomWanted(wanted: RoomWanted): void;
  /** @param call names it, among all workers. @param answer undefined: the host is in the table */
  onHost(call: string, authority: string, answer: (verdict: HostVerdict | undefined) => void): void;
  onHostGivenUp(call: string): void;
  onUsed(routes: readonly string[]): void;
  onPins(pins: readonly NotedPins[]): void;
  /** @param known to be called once */
  onPinsWanted(service: string, key: bigint, known: (forGood: boolean) => void): void;
  onWarning: Warn;
  onFailovers(news: readonly NewFailovers[]): void;
  /** @param written to be called once they are */
  onLog(lines: string, written: () => void): void;
  /** A worker has ended, and with it what it held: the process cannot go on. */
  onLost(worker: number, error: Error | undefined): void;
}

/** A scrape or a look waits this long for the workers. */
const ANSWER_MS = 1000;

const PROGRAM = new URL('./worker-thread.js', import.meta.url);

/** What all of them are started with. */
export type CommonSetup = Omit<WorkerSetup, 'number' | 'journal'>;

interface Member {
  /** From 2: the main thread is the first. */
  readonly number: number;
  readonly thread: Worker;
  readonly journal: MessagePort;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

type Answers<Q extends keyof Questions> = Awaited<ReturnType<Questions[Q]>>[];

/** The workers besides the main thread. */
export class WorkerTeam {
  private readonly members: readonly Member[];
  private readonly waiting = new Map<number, Waiting>();
  private questions = 0;
  private closing = false;

  /**
   * @param workers all of them, the main thread included
   * @param inForce the journal's cell
   */
  constructor(workers: number, setup: CommonSetup, inForce: Int32Array) {
    this.members = Array.from({ length: workers - 1 }, (_, i) => newMember(i + 2, setup, inForce));
  }

  /** Where the journal is to be written to. */
  get journalPorts(): MessagePort[] {
    return this.members.map(({ journal }) => journal);
  }

  /** Waits until all are there. @throws OperatorError where one cannot be started */
  async start(owner: TeamOwner): Promise<void> {
    await Promise.all(this.members.map((member) => this.startOne(member, owner)));
  }

  /** Asks every worker, and waits for as long as it takes. */
  ask<Q extends keyof Questions>(question: Q, ...args: Parameters<Questions[Q]>): Promise<Answers<Q>> {
    return Promise.all(this.members.map((member) => this.askOne(member, question, args))) as Promise<
      Answers<Q>
    >;
  }

  /** Asks one of them after the other, each with what is made for it. */
  async askEach<Q extends keyof Questions>(
    question: Q,
    args: () => Promise<Parameters<Questions[Q]>>,
  ): Promise<void> {
    for (const member of this.members) await this.askOne(member, question, await args());
  }

  /** The same for a caller that does not want to wait for long. @throws Error where a worker does not answer in time */
  async askSoon<Q extends keyof Questions>(
    question: Q,
    ...args: Parameters<Questions[Q]>
  ): Promise<Answers<Q>> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const fail = () => reject(new Error(`a worker has not answered within ${ANSWER_MS} ms`));
      timer = setTimeout(fail, ANSWER_MS);
    });
    try {
      return await Promise.race([this.ask(question, ...args), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Tells all workers, but the one that has asked, that one wants room for a connection. */
  wantRoom(wanted: RoomWanted, asker?: number): void {
    for (const { number, thread } of this.members)
      if (number !== asker) tell(thread, { kind: 'room', wanted });
  }

  /** Ends them, whatever they are doing. */
  async close(): Promise<void> {
    this.closing = true;
    await Promise.all(
      this.members.map(({ thread, journal }) => {
        journal.close();
        return thread.terminate();
      }),
    );
  }

  private startOne({ number, thread }: Member, owner: TeamOwner): Promise<void> {
    return new Promise((resolve, reject) => {
      let started = false;
      let failure: Error | undefined;
      thread.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') {
          started = true;
          resolve();
        } else this.onMessage({ number, thread }, message, owner);
      });
      thread.on('error', (error: Error) => {
        failure = error;
      });
      thread.on('exit', () => {
        if (this.closing) return;
        if (started) owner.onLost(number, failure);
        else
          reject(
            new OperatorError(`worker ${number} did not start: ${failure?.message}`, { cause: failure }),
          );
      });
    });
  }

  private onMessage(
    { number, thread }: Pick<Member, 'number' | 'thread'>,
    message: FromWorker,
    owner: TeamOwner,
  ): void {
    switch (message.kind) {
      case 'answer':
        this.takeWaiting(message.id)?.resolve(message.value as never);
        return;
      case 'failure':
        this.takeWaiting(message.id)?.reject(message.error);
        return;
      case 'sighting':
        owner.onSighting(message.sighting);
        return;
      case 'room':
        this.wantRoom(message.wanted, number);
        owner.onRoomWanted(message.wanted);
        return;
      case 'host': {
        const { id } = message;
        const answer = (verdict: HostVerdict | undefined) => tell(thread, { kind: 'host', id, verdict });
        owner.onHost(`${number} ${id}`, message.authority, answer);
        return;
      }
      case 'host-given-up':
        owner.onHostGivenUp(`${number} ${message.id}`);
        return;
      case 'used':
        owner.onUsed(message.routes);
        return;
      case 'pins':
        owner.onPins(message.pins);
        return;
      case 'pins-wanted': {
        const { id, service, key } = message;
        owner.onPinsWanted(service, key, (forGood) =>
          tell(thread, { kind: 'pins-known', id, service, forGood }),
        );
        return;
      }
      case 'warning':
        owner.onWarning(message.fields, message.message);
        return;
      case 'failovers':
        owner.onFailovers(message.news);
        return;
      case 'log':
        owner.onLog(message.text, () => tell(thread, { kind: 'logged' }));
    }
  }

  private askOne({ thread }: Member, question: keyof Questions, args: readonly unknown[]): Promise<unknown> {
    const id = ++this.questions;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      tell(thread, { kind: 'question', id, question, args });
    });
  }

  private takeWaiting(id: number): Waiting | undefined {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    return waiting;
  }
}

function newMember(number: number, setup: CommonSetup, inForce: Int32Array): Member {
  const { port1, port2 } = new MessageChannel();
  const end: JournalEnd = { port: port2, inForce };
  const workerData: WorkerSetup = { ...setup, number, journal: end };
  const thread = new Worker(PROGRAM, { workerData, transferList: [port2], name: `roost worker ${number}` });
  return { number, thread, journal: port1 };
}

function tell(thread: Worker, message: ToWorker): void {
  thread.postMessage(message);
}
