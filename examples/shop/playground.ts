import type { Shop } from './shop.js';

/** Commands to try while the shop keeps running. */
export function playground(shop: Shop): string {
  const frontend = shop.pod('frontend-v1-1');
  const [entrance, other] = shop.entrances;
  const pods = shop.pods.map(
    ({ name, inbound, admin, pids }) =>
      `  ${name.padEnd(15)} inbound ${inbound}   admin http://${admin}   pids: app ${pids.app}, sidecar ${pids.sidecar}`,
  );
  return `
Everything keeps running until Ctrl-C.

${pods.join('\n')}

As a customer, through either pod of the frontend:
  curl ${entrance}/ -H 'x-user-id: alice'
  curl ${other}/ -H 'x-user-id: alice'
  curl ${entrance}/ -H 'x-user-id: alice' -H 'x-region: us-east'
  curl ${entrance}/ -c jar.txt -b jar.txt
As the frontend's app, through its sidecar:
  curl -x http://${frontend.outbound} http://checkout:8080/ -H 'x-user-id: alice'
State of its sidecar:
  curl http://${frontend.admin}/clusters

As an operator, in another terminal, in this folder:
  alias roost="$PWD/dist/src/cli/main.js"
  export ROOST_CONTROL_PLANE=${shop.controlPlane.grpc}
  roost status
  roost get
  roost plan split checkout.shop v1=90 v2=10
  roost split checkout.shop v1=90 v2=10
  roost explain checkout.shop -H 'x-user-id: bob'
  roost sessions checkout.shop --key alice
  roost promote checkout.shop v2
  roost undo checkout.shop
  roost abort checkout.shop`;
}
