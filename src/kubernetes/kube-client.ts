import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';

/** An object of the Kubernetes API, as it is. */
export type KubeObject = Readonly<Record<string, unknown>>;

/** The API server refused a call, or was not reached (`status` 0). */
export class KubeError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = 'KubeError';
  }
}

/** What Roost needs of the Kubernetes API beside watching: single objects by path. Tests put a fake in its place. */
export interface KubeApi {
  /** @param path `/api/v1/namespaces/shop/pods` @param accept absent: JSON @throws KubeError */
  get(path: string, accept?: string): Promise<KubeObject>;
  /** @throws KubeError; 409 if the object's `resourceVersion` is not that of the stored one */
  put(path: string, object: KubeObject): Promise<KubeObject>;
  post(path: string, object: KubeObject): Promise<KubeObject>;
  /** @param operations a JSON Patch */
  patch(path: string, operations: readonly object[]): Promise<KubeObject>;
}

/** Reading objects as they change. Tests put a fake API server behind it, or a fake in its place. */
export interface KubeWatchApi extends Pick<KubeApi, 'get'> {
  /**
   * Opens a watch: a response whose body is a JSON object a line, until either side ends it.
   *
   * @param signal ends the call and the response @throws KubeError
   */
  open(path: string, accept: string, signal: AbortSignal): Promise<IncomingMessage>;
}

const JSON_ONLY = 'application/json';
const CALL_TIMEOUT_MS = 10_000;
/** The API server sends a bookmark about once a minute; a watch that is silent for so long is dead. */
const WATCH_SILENCE_MS = 180_000;
/** A list of all pods of a large cluster. */
const MAX_BODY_BYTES = 256 * 1024 * 1024;

/** The Kubernetes API by a kubeconfig or a pod's service account. */
export class KubeClient implements KubeApi, KubeWatchApi {
  private constructor(private readonly config: KubeConfig) {}

  /** As the service account of the pod that this process runs in. @throws KubeError outside of a pod */
  static async inCluster(): Promise<KubeClient> {
    return KubeClient.load((config) => {
      if (!process.env.KUBERNETES_SERVICE_HOST)
        throw new KubeError(0, 'this process runs in no pod: KUBERNETES_SERVICE_HOST is not set');
      config.loadFromCluster();
    });
  }

  /** As kubectl does: a file, or `KUBECONFIG`, or `~/.kube/config`. Empty texts: the default. */
  static async fromKubeconfig(file: string, context: string): Promise<KubeClient> {
    return KubeClient.load((config) => {
      if (file === '') config.loadFromDefault();
      else config.loadFromFile(file);
      if (context === '') return;
      if (config.getContextObject(context) === null)
        throw new KubeError(0, `the kubeconfig has no context "${context}"`);
      config.setCurrentContext(context);
    });
  }

  private static async load(read: (config: KubeConfig) => void): Promise<KubeClient> {
    // Loaded where it is needed: it is large.
    const { KubeConfig } = await import('@kubernetes/client-node');
    const config = new KubeConfig();
    try {
      read(config);
    } catch (error) {
      if (error instanceof KubeError) throw error;
      throw new KubeError(0, `the kubeconfig cannot be used: ${(error as Error).message}`);
    }
    if (!config.getCurrentCluster()) throw new KubeError(0, 'the kubeconfig names no cluster');
    return new KubeClient(config);
  }

  /** The API server's URL. */
  get server(): string {
    return this.config.getCurrentCluster()?.server ?? '';
  }

  get(path: string, accept = JSON_ONLY): Promise<KubeObject> {
    return this.call('GET', path, undefined, accept);
  }

  async open(path: string, accept: string, signal: AbortSignal): Promise<IncomingMessage> {
    const options: RequestOptions = { method: 'GET', headers: { accept } };
    await this.authenticate(options);
    const url = this.urlOf(path);
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => reject(notReached(url, error));
      const call = senderFor(url)(url, { ...options, signal }, (response) => {
        if (response.statusCode === 200) return resolve(response);
        refusalOf(response).then(reject, fail);
      });
      call.setTimeout(WATCH_SILENCE_MS, () => call.destroy(new Error('the watch is silent')));
      call.on('error', fail);
      call.end();
    });
  }

  put(path: string, object: KubeObject): Promise<KubeObject> {
    return this.call('PUT', path, object);
  }

  post(path: string, object: KubeObject): Promise<KubeObject> {
    return this.call('POST', path, object);
  }

  patch(path: string, operations: readonly object[]): Promise<KubeObject> {
    return this.call('PATCH', path, operations);
  }

  /** Runs the login plugin of the kubeconfig, if it has one. @throws KubeError */
  private async authenticate(options: RequestOptions): Promise<void> {
    try {
      await this.config.applyToHTTPSOptions(options);
    } catch (error) {
      throw new KubeError(0, `the kubeconfig cannot be used: ${(error as Error).message}`);
    }
  }

  private urlOf(path: string): URL {
    return new URL(this.server.replace(/\/$/, '') + path);
  }

  private async call(method: string, path: string, body?: object, accept = JSON_ONLY): Promise<KubeObject> {
    const options: RequestOptions = { method, headers: { accept } };
    await this.authenticate(options);
    const type = method === 'PATCH' ? 'application/json-patch+json' : JSON_ONLY;
    if (body !== undefined) options.headers = { ...options.headers, 'content-type': type };
    const { status, text } = await exchange(
      this.urlOf(path),
      options,
      body === undefined ? undefined : JSON.stringify(body),
    );
    const answer = parse(text);
    if (status >= 400)
      throw new KubeError(status, String(answer.message ?? `${method} ${path}: status ${status}`));
    return answer;
  }
}

function senderFor({ protocol }: URL): typeof httpsRequest {
  return protocol === 'http:' ? httpRequest : httpsRequest;
}

function notReached({ origin }: URL, error: Error): KubeError {
  const reason = error.message || String((error as NodeJS.ErrnoException).code);
  return new KubeError(0, `the API server ${origin}: ${reason}`);
}

const MAX_REFUSAL_BYTES = 65_536;

/** What the API server says instead of a watch. */
async function refusalOf(response: IncomingMessage): Promise<KubeError> {
  let text = '';
  for await (const chunk of response) if (text.length < MAX_REFUSAL_BYTES) text += String(chunk);
  const { statusCode = 0 } = response;
  return new KubeError(statusCode, String(parse(text).message ?? `status ${statusCode}`));
}

function exchange(
  url: URL,
  options: RequestOptions,
  body: string | undefined,
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(notReached(url, error));
    const call = senderFor(url)(
      url,
      { ...options, signal: AbortSignal.timeout(CALL_TIMEOUT_MS) },
      (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_BODY_BYTES) call.destroy(new Error('the answer is too large'));
          else chunks.push(chunk);
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
        response.on('error', fail);
      },
    );
    call.on('error', fail);
    call.end(body);
  });
}

function parse(text: string): KubeObject {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as KubeObject) : {};
  } catch {
    // A proxy in front of the API server answers in its own words.
    return { message: text.slice(0, 200) };
  }
}
