import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream, sensitiveHeaders } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { HeaderField, type Indexing, NEVER_INDEXED } from '../../../../sidecar/http2/header-field.js';
import { HpackDecoder } from '../../../../sidecar/http2/hpack-decoder.js';
import { HpackEncoder } from '../../../../sidecar/http2/hpack-encoder.js';
import { HpackError } from '../../../../sidecar/http2/hpack-error.js';
import { frame } from '../../../support/http2/frames.js';

const ROOMY = { maxListBytes: 1_000_000, maxFields: 1000 };

const NAMES = ['x-user-id', 'accept', 'etag', 'x-a', 'x-b', 'x-trace'];
const name = fc.oneof(fc.constantFrom(...NAMES), fc.stringMatching(/^x-[a-z0-9]{1,20}$/));
const anyValue = fc.oneof(
  fc.constantFrom('', '0', 'gzip, deflate'),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  fc.string({ maxLength: 300 }).map((text) => Buffer.from(text).toString('latin1')),
);
/** What every HTTP library takes: visible characters, and spaces within. */
const plainValue = fc.stringMatching(/^[!-~]([ -~]{0,200}[!-~])?$/);

const fieldWith = (value: fc.Arbitrary<string>) =>
  fc
    .tuple(name, value, fc.constantFrom<Indexing>(0, 1, 2))
    .map(([name, value, indexing]) => new HeaderField(name, value, indexing));
const listOf = (value: fc.Arbitrary<string>) => fc.array(fieldWith(value), { maxLength: 20 });

/** A field that no table takes loses the wish to be indexed; a secret stays one. */
const shown = (fields: readonly HeaderField[]) =>
  fields.map(({ name, value, indexing }) => [name, value, indexing === NEVER_INDEXED]);

function encode(encoder: HpackEncoder, fields: readonly HeaderField[]): Buffer {
  const out = Buffer.alloc(HpackEncoder.bound(fields));
  return out.subarray(0, encoder.encode(fields, out, 0));
}

t.test('any lists of one connection come out as they went in, whatever the size of the table', async (t) => {
  const sizes = fc.constantFrom(0, 64, 256, 4096, 1_000_000);
  const lists = fc.array(fc.tuple(listOf(anyValue), fc.option(sizes)), { maxLength: 10 });
  fc.assert(
    fc.property(lists, (lists) => {
      const encoder = new HpackEncoder();
      const decoder = new HpackDecoder(4096, ROOMY);
      for (const [fields, size] of lists) {
        if (size !== null) encoder.setPeerTableBytes(size);
        const bytes = encode(encoder, fields);
        const back = decoder.decode(bytes, 0, bytes.length).fields;
        t.strictSame(shown(back), shown(fields));
      }
    }),
    { numRuns: 200 },
  );
});

t.test('any bytes decode or are refused, with no other error', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 5 }), (blocks) => {
      const decoder = new HpackDecoder(256, ROOMY);
      try {
        for (const block of blocks) decoder.decode(Buffer.from(block), 0, block.length);
      } catch (error) {
        if (!(error instanceof HpackError)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

/** Sends header blocks to node:http2, which sends the fields back as its own response. */
class NodePeer {
  private received = Buffer.alloc(0);
  private streamId = -1;
  private readonly encoder = new HpackEncoder();
  private readonly decoder = new HpackDecoder(4096, ROOMY);
  private readonly socket;
  private wake = () => {};

  private constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (piece: Buffer) => {
      this.received = Buffer.concat([this.received, piece]);
      this.wake();
    });
    const settings = frame(4, 0, 0, Buffer.alloc(0));
    this.socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings]));
  }

  static async start(t: Test): Promise<NodePeer> {
    const server = createServer({ settings: { maxHeaderListSize: 1_000_000 } });
    const answer = (
      stream: ServerHttp2Stream,
      headers: IncomingHttpHeaders,
      _flags: number,
      raw: string[],
    ) => {
      stream.on('error', () => {});
      stream.respond({ ':status': 200, ...echoed(raw, sensitiveOf(headers)) }, { endStream: true });
    };
    server.on('stream', answer as () => void);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const peer = new NodePeer((server.address() as AddressInfo).port);
    t.teardown(() => {
      peer.socket.destroy();
      server.close();
    });
    return peer;
  }

  /** @returns the fields that came back */
  async exchange(fields: readonly HeaderField[]): Promise<HeaderField[]> {
    this.streamId += 2;
    const head = [
      new HeaderField(':method', 'GET'),
      new HeaderField(':scheme', 'http'),
      new HeaderField(':authority', 'a'),
      new HeaderField(':path', '/'),
    ];
    const block = encode(this.encoder, [...head, ...fields]);
    this.socket.write(frame(1, 5, this.streamId, block));
    for (;;) {
      const { type, flags, id, payload } = await this.nextFrame();
      if (type === 4 && flags === 0) this.socket.write(frame(4, 1, 0, Buffer.alloc(0)));
      if (type === 3 || type === 7) throw new Error(`node refused: ${payload.toString('hex')}`);
      if (type === 1 && id === this.streamId) return this.decoder.decode(payload, 0, payload.length).fields;
    }
  }

  private async nextFrame() {
    for (;;) {
      const { received } = this;
      const length = received.length < 9 ? Number.POSITIVE_INFINITY : received.readUIntBE(0, 3);
      if (received.length >= 9 + length) {
        this.received = received.subarray(9 + length);
        const payload = received.subarray(9, 9 + length);
        return { type: received[3], flags: received[4], id: received.readUInt32BE(5), payload };
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}

function sensitiveOf(headers: IncomingHttpHeaders): readonly string[] {
  return (headers as { [sensitiveHeaders]?: readonly string[] })[sensitiveHeaders] ?? [];
}

/** As `field-N`, which keeps the order and the number of lines. */
function echoed(raw: readonly string[], sensitive: readonly string[]) {
  const headers: Record<string | symbol, unknown> = {};
  const secrets: string[] = [];
  for (let i = 8; i < raw.length; i += 2) {
    const key = `field-${(i - 8) / 2}`;
    headers[key] = `${raw[i]}=${raw[i + 1]}`;
    if (sensitive.includes(raw[i] as string)) secrets.push(key);
  }
  headers[sensitiveHeaders] = secrets;
  return headers;
}

t.test(
  'node:http2 reads what we write, and we read what it writes, never-indexed fields included',
  async (t) => {
    const peer = await NodePeer.start(t);
    const lists = fc.sample(listOf(plainValue), { numRuns: 300, seed: 7541 });
    for (const list of lists) {
      const back = await peer.exchange(list);
      const echo = back.filter(({ name }) => name.startsWith('field-'));
      const expected = list.map(({ name, value }, i) => [`field-${i}`, `${name}=${value}`]);
      t.strictSame(
        echo.map(({ name, value }) => [name, value]),
        expected,
      );
      const secret = new Set(
        list.filter(({ indexing }) => indexing === NEVER_INDEXED).map(({ name }) => name),
      );
      for (const field of echo) {
        const name = field.value.slice(0, field.value.indexOf('='));
        t.equal(field.indexing === NEVER_INDEXED, secret.has(name));
      }
    }
  },
);
