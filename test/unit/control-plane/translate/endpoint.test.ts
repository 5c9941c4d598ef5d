import t from 'tap';
import { translateAssignment } from '../../../../control-plane/translate/endpoint.js';
import { codec, type Message } from '../../../../src/xds/descriptors.js';
import { decodeAssignment } from '../../../../src/xds/endpoint.js';
import { message, messages } from '../../../../src/xds/fields.js';
import { messageNameOf } from '../../../../src/xds/resource-types.js';

const ENDPOINTS = [
  { address: '10.0.0.2:80', weight: 1, zone: 'b' },
  { address: '10.0.0.3:80', weight: 7 },
  { address: '10.0.0.1:80', weight: 2, zone: 'b' },
  { address: '10.0.0.12:80', weight: 3 },
  { address: '10.0.0.4:80', weight: 1, zone: 'a' },
];

t.test(
  'sends endpoints in the one order that sidecars keep, whatever order they are listed in',
  async (t) => {
    const { encode, decode } = codec(messageNameOf('endpoint'));
    const wireOrder = (endpoints: typeof ENDPOINTS) => {
      const bytes = encode(translateAssignment('shop/checkout/v1', endpoints));
      const sent = messages(decode(bytes).endpoints).flatMap((locality) =>
        messages(locality.lbEndpoints).map((each) => {
          const socket = message(message(message(each.endpoint)?.address)?.socketAddress) as Message;
          return `${socket.address}:${socket.portValue}`;
        }),
      );
      t.same(
        decodeAssignment(bytes).endpoints.map(({ address }) => address),
        sent,
      );
      return sent;
    };
    t.same(wireOrder(ENDPOINTS), wireOrder([...ENDPOINTS].reverse()));
    t.equal(wireOrder(ENDPOINTS)[0], '10.0.0.12:80');
  },
);

t.test('sends the status of live endpoints in the terms of xDS', async (t) => {
  const { encode } = codec(messageNameOf('endpoint'));
  const endpoints = (['healthy', 'draining', 'unhealthy'] as const).map((status, i) => ({
    address: `10.0.0.${i + 1}:80`,
    weight: 1,
    status,
  }));
  const bytes = encode(translateAssignment('shop/checkout/v1', endpoints));
  t.same(
    decodeAssignment(bytes).endpoints.map(({ status }) => status),
    ['healthy', 'draining', 'unhealthy'],
  );
});
