import type { KubeObject } from '../../../src/kubernetes/kube-client.js';
import {
  type Labels,
  labelsView,
  type ObjectKey,
  type ServiceView,
  type SliceView,
  serviceView,
  sliceView,
} from './objects.js';
import type { ClusterObjects } from './resolve.js';

/** Objects of one kind; those beyond are not looked at. */
const MAX_OBJECTS = 200_000;

/** The objects of a cluster that Roost uses, as they are now. Tells which Services a change concerns. */
export class ClusterView implements ClusterObjects {
  private readonly services = new Map<ObjectKey, ServiceView>();
  private readonly allSlices = new Map<ObjectKey, SliceView>();
  private readonly slicesOf = new Map<ObjectKey, Map<ObjectKey, SliceView>>();
  private readonly pods = new Map<ObjectKey, Labels>();
  /** Services that have a pod among their endpoints. */
  private readonly servicesOfPod = new Map<ObjectKey, Set<ObjectKey>>();

  /** @param onChange a Service, its endpoints or the labels of its pods have changed */
  constructor(
    private readonly onChange: (service: ObjectKey) => void,
    private readonly maxObjects = MAX_OBJECTS,
  ) {}

  get serviceKeys(): Iterable<ObjectKey> {
    return this.services.keys();
  }

  get counts(): { readonly services: number; readonly slices: number; readonly pods: number } {
    return { services: this.services.size, slices: this.allSlices.size, pods: this.pods.size };
  }

  service(namespace: string, name: string): ServiceView | undefined {
    return this.services.get(`${namespace}/${name}`);
  }

  slices(namespace: string, service: string): Iterable<SliceView> {
    return this.slicesOf.get(`${namespace}/${service}`)?.values() ?? [];
  }

  podLabels(namespace: string, pod: string): Labels | undefined {
    return this.pods.get(`${namespace}/${pod}`);
  }

  putService(key: ObjectKey, object: KubeObject): void {
    if (this.put(this.services, key, serviceView(object))) this.onChange(key);
  }

  dropService(key: ObjectKey): void {
    if (this.services.delete(key)) this.onChange(key);
  }

  putSlice(key: ObjectKey, object: KubeObject): void {
    const before = this.allSlices.get(key);
    const slice = sliceView(object);
    if (!this.put(this.allSlices, key, slice)) return;
    if (before !== undefined && before.service !== slice.service) this.unlink(key, before);
    if (slice.service === '') return;
    const service = serviceKeyOf(slice);
    const slices = this.slicesOf.get(service) ?? new Map<ObjectKey, SliceView>();
    this.slicesOf.set(service, slices.set(key, slice));
    this.countPods(before, slice);
    this.onChange(service);
  }

  dropSlice(key: ObjectKey): void {
    const slice = this.allSlices.get(key);
    if (slice === undefined) return;
    this.allSlices.delete(key);
    this.unlink(key, slice);
  }

  putPod(key: ObjectKey, object: KubeObject): void {
    const labels = labelsView(object);
    const before = this.pods.get(key);
    // A pod's status changes often, and its labels hardly ever.
    if (before !== undefined && isSame(before, labels)) return;
    if (this.put(this.pods, key, labels)) this.onPod(key);
  }

  dropPod(key: ObjectKey): void {
    if (this.pods.delete(key)) this.onPod(key);
  }

  private onPod(key: ObjectKey): void {
    for (const service of this.servicesOfPod.get(key) ?? []) this.onChange(service);
  }

  private put<View>(to: Map<ObjectKey, View>, key: ObjectKey, view: View): boolean {
    if (!to.has(key) && to.size >= this.maxObjects) return false;
    to.set(key, view);
    return true;
  }

  private unlink(key: ObjectKey, slice: SliceView): void {
    const service = serviceKeyOf(slice);
    const slices = this.slicesOf.get(service);
    slices?.delete(key);
    if (slices?.size === 0) this.slicesOf.delete(service);
    this.countPods(slice, undefined);
    this.onChange(service);
  }

  private countPods(before: SliceView | undefined, after: SliceView | undefined): void {
    const now = new Set(podsOf(after));
    for (const pod of podsOf(before)) {
      if (now.has(pod) || before === undefined || this.isElsewhere(pod, before)) continue;
      const services = this.servicesOfPod.get(pod);
      services?.delete(serviceKeyOf(before));
      if (services?.size === 0) this.servicesOfPod.delete(pod);
    }
    for (const pod of now) {
      const services = this.servicesOfPod.get(pod) ?? new Set<ObjectKey>();
      this.servicesOfPod.set(pod, services.add(serviceKeyOf(after as SliceView)));
    }
  }

  /** Of a Service with two families, or while an endpoint moves, a pod is in several slices. */
  private isElsewhere(pod: ObjectKey, slice: SliceView): boolean {
    const slices = this.slicesOf.get(serviceKeyOf(slice))?.values() ?? [];
    return [...slices].some((other) => other !== slice && podsOf(other).includes(pod));
  }
}

const serviceKeyOf = ({ namespace, service }: SliceView): ObjectKey => `${namespace}/${service}`;

function podsOf(slice: SliceView | undefined): ObjectKey[] {
  return (slice?.endpoints ?? []).flatMap(({ pod }) => (pod === '' ? [] : [`${slice?.namespace}/${pod}`]));
}

function isSame(a: Labels, b: Labels): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
