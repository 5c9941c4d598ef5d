import t from 'tap';
import { reviewPod } from '../../../../control-plane/webhook/inject-review.js';
import {
  type AdmissionRequest,
  answerReview,
  InvalidReviewError,
  parseReview,
} from '../../../../control-plane/webhook/review.js';
import { reviewMeshService } from '../../../../control-plane/webhook/validate-review.js';
import { defaultSettings } from '../../../../src/inject/settings.js';
import { applyJsonPatch } from '../../../support/json-patch.js';

const SETTINGS = defaultSettings('1.2.3');

function review(kind: string, object: unknown, operation = 'CREATE'): AdmissionRequest {
  const group = kind === 'Pod' ? '' : 'roost.dev';
  return { uid: 'u-1', kind: { group, version: 'v1', kind }, operation, namespace: 'shop', object };
}

const SERVICE = {
  apiVersion: 'roost.dev/v1alpha1',
  kind: 'MeshService',
  metadata: {
    name: 'checkout',
    namespace: 'shop',
    uid: '1',
    resourceVersion: '7',
    generation: 2,
    creationTimestamp: '2026-01-01T00:00:00Z',
    managedFields: [{ manager: 'kubectl' }],
    finalizers: ['a/b'],
  },
  spec: { port: 8080, versions: [{ name: 'v1', dns: 'checkout-v1:8080' }] },
  status: { conditions: [] },
};

t.test('a pod gets the sidecar of its workload, as a JSON Patch', async (t) => {
  const pod = {
    metadata: {
      generateName: 'checkout-5d4f8c7b9-',
      labels: { 'pod-template-hash': '5d4f8c7b9' },
      ownerReferences: [{ kind: 'ReplicaSet', name: 'checkout-5d4f8c7b9', controller: true }],
    },
    spec: { containers: [{ name: 'app' }] },
  };
  const request = review('Pod', pod);
  const answer = answerReview(request, reviewPod(request, SETTINGS)) as {
    response: { uid: string; allowed: boolean; patchType: string; patch: string };
  };
  t.match(answer, { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' });
  t.match(answer.response, { uid: 'u-1', allowed: true, patchType: 'JSONPatch' });
  applyJsonPatch(pod, JSON.parse(Buffer.from(answer.response.patch, 'base64').toString()));
  const text = JSON.stringify(pod);
  t.match(text, '"value":"checkout.$(POD_NAMESPACE)"');
  t.match(text, `"fieldPath":"metadata.labels['pod-template-hash']"`);
});

t.test('the service of a pod without labels is the name of what owns it', async (t) => {
  const serviceOf = (metadata: object) => {
    const { patch = [] } = reviewPod(
      review('Pod', { metadata, spec: { containers: [{ name: 'a' }] } }),
      SETTINGS,
    );
    return /"value":"([^"]*)\.\$\(POD_NAMESPACE\)"/.exec(JSON.stringify(patch))?.[1];
  };
  const owned = (kind: string, name: string) => ({ ownerReferences: [{ kind, name, controller: true }] });
  t.equal(serviceOf({ name: 'alone' }), 'alone');
  t.equal(serviceOf({ generateName: 'load-' }), 'load');
  t.equal(serviceOf(owned('StatefulSet', 'carts')), 'carts');
  t.equal(serviceOf(owned('DaemonSet', 'agent')), 'agent');
  t.equal(serviceOf(owned('Job', 'report-28912345')), 'report', 'of a CronJob');
  t.equal(serviceOf(owned('Job', 'import')), 'import');
  t.equal(serviceOf(owned('ReplicaSet', 'by-hand')), 'by-hand');
  t.equal(
    serviceOf({ labels: { 'rollouts-pod-template-hash': 'abc' }, ...owned('ReplicaSet', 'pay-abc') }),
    'pay',
    'an Argo Rollout',
  );
});

t.test('pods that are left alone are allowed, with a warning where it may surprise', async (t) => {
  const pod = (spec: object, labels = {}) => ({
    metadata: { name: 'a', labels },
    spec: { containers: [{ name: 'a' }], ...spec },
  });
  t.same(reviewPod(review('Pod', pod({}, { 'roost.dev/inject': 'disabled' })), SETTINGS), {
    allowed: true,
    warnings: [],
  });
  t.match(reviewPod(review('Pod', pod({ hostNetwork: true })), SETTINGS), {
    allowed: true,
    patch: undefined,
    warnings: [/^roost: no sidecar: it uses hostNetwork/],
  });
  t.same(reviewPod(review('Pod', pod({}), 'UPDATE'), SETTINGS), { allowed: true });
  t.same(reviewPod(review('Deployment', pod({})), SETTINGS), { allowed: true });
});

t.test('a pod with an annotation that is not valid is refused in so many words', async (t) => {
  const pod = {
    metadata: { name: 'a', annotations: { 'roost.dev/opaque-ports': 'redis' } },
    spec: { containers: [{ name: 'a' }] },
  };
  const request = review('Pod', pod);
  t.match(answerReview(request, reviewPod(request, SETTINGS)), {
    response: {
      allowed: false,
      status: {
        code: 422,
        message: /^roost: metadata\.annotations\["roost\.dev\/opaque-ports"\]: expected ports/,
      },
    },
  });
});

t.test('any object for a pod gets an answer', async (t) => {
  for (const object of [
    undefined,
    null,
    1,
    'x',
    [],
    {},
    { metadata: 1 },
    { metadata: { ownerReferences: 1, labels: [] }, spec: 1 },
  ])
    t.equal(reviewPod(review('Pod', object), SETTINGS).allowed, false);
});

t.test(
  'a MeshService is judged without what the API server added, in the words of roost apply',
  async (t) => {
    const check = async () => [];
    t.same(await reviewMeshService(review('MeshService', SERVICE), check), { allowed: true });
    const wrong = { ...SERVICE, spec: { ...SERVICE.spec, port: 0, colour: 'red', stable: 'v9' } };
    const { allowed, message = '' } = await reviewMeshService(review('MeshService', wrong, 'UPDATE'), check);
    t.notOk(allowed);
    t.match(message, /^spec\.port: /m);
    t.match(message, /^spec\.colour: /m);
    t.match(message, /^spec\.stable: /m);
  },
);

t.test('a valid MeshService is checked against the others; deletion is not', async (t) => {
  const seen: object[] = [];
  const check = async (document: object) => {
    seen.push(document);
    return [{ path: ['spec', 'hosts', 0], message: 'is taken' }];
  };
  t.same(await reviewMeshService(review('MeshService', SERVICE), check), {
    allowed: false,
    message: 'spec.hosts[0]: is taken',
  });
  const { status: _, ...written } = SERVICE;
  t.same(seen, [{ ...written, metadata: { name: 'checkout', namespace: 'shop' } }]);
  t.same(await reviewMeshService(review('MeshService', SERVICE, 'DELETE'), check), { allowed: true });
});

t.test('what is not an AdmissionReview is told so', async (t) => {
  for (const body of [
    '',
    'not JSON',
    'null',
    '[]',
    '{}',
    '{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}',
    '['.repeat(1_000_000),
  ])
    try {
      parseReview(body);
      t.fail(body.slice(0, 40));
    } catch (error) {
      t.ok(error instanceof InvalidReviewError, body.slice(0, 40));
    }
});
