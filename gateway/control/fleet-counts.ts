import { IDLE_PROCESS, NO_SPANS, OUTCOMES } from '../data/recorder.ts'
import type {
  ArmCounts,
  EndpointCounts,
  ExplanationCounts,
  MirrorCounts,
  ProcessCounts,
  Snapshot,
  TruthCounts,
} from '../snapshot.ts'

/** A data process sends each second; what one silent this long had in flight is gone. */
const SILENT_MS = 10_000
/** Processes whose counts are kept apart; a longer silence than all of these is an end. */
const MAX_PROCESSES = 64

/**
 * Adds up what the data processes counted. A snapshot replaces the earlier one of its process, and that of a
 * process that ended stays, so that counters never fall while control lives.
 */
export class FleetCounts {
  readonly #processes = new Map<string, { snapshot: Snapshot; heardMs: number }>()
  #ended: Snapshot = addSnapshots([])

  /** @returns whether the process was not known before: what it counted until now did not happen lately */
  update(incarnation: string, snapshot: Snapshot, nowMs: number): boolean {
    const isNew = !this.#processes.delete(incarnation)
    this.#processes.set(incarnation, { snapshot, heardMs: nowMs })
    if (this.#processes.size <= MAX_PROCESSES) return isNew
    const [oldest, { snapshot: last }] = [...this.#processes][0]!
    this.#processes.delete(oldest)
    // Endpoints come and go for as long as control lives: those that nobody knows any more are not kept.
    const known = [...this.#processes.values()].map((one) => one.snapshot)
    this.#ended = ofWhatIs(ended(addSnapshots([this.#ended, last])), known)
    return isNew
  }

  total(nowMs: number): Snapshot {
    const all = [...this.#processes.values()]
    const isHeard = ({ heardMs }: { heardMs: number }) => nowMs - heardMs < SILENT_MS
    const snapshots = all.map((one) => (isHeard(one) ? one.snapshot : ended(one.snapshot)))
    const heard = all.filter(isHeard).map(({ snapshot }) => snapshot)
    return ofWhatIs(addSnapshots([this.#ended, ...snapshots]), heard)
  }
}

/** What is left of a process that is no more: its counts, and nothing of how it was. */
function ended(snapshot: Snapshot): Snapshot {
  const { droppedConnections, shed, droppedLogLines } = snapshot.process
  return {
    ...snapshot,
    inFlight: 0,
    endpoints: snapshot.endpoints.map((endpoint) => ({
      ...endpoint,
      ...{ inFlight: 0, limit: 0, waiting: 0, ejected: 0 },
    })),
    process: { ...IDLE_PROCESS, droppedConnections, shed, droppedLogLines },
  }
}

/** Only what some of these processes still know of endpoints, versions and clients. */
function ofWhatIs(sum: Snapshot, of: readonly Snapshot[]): Snapshot {
  const endpoints = new Set(of.flatMap((s) => s.endpoints.map(endpointKey)))
  const versions = new Set(of.flatMap((s) => s.secondAttempts.map(versionKey)))
  const clients = new Set(of.flatMap((s) => s.clients.map(({ client }) => client)))
  return {
    ...sum,
    endpoints: sum.endpoints.filter((one) => endpoints.has(endpointKey(one))),
    secondAttempts: sum.secondAttempts.filter((one) => versions.has(versionKey(one))),
    clients: sum.clients.filter(({ client }) => clients.has(client)),
  }
}

export function addSnapshots(snapshots: readonly Snapshot[]): Snapshot {
  return {
    arms: sumBy(
      snapshots.flatMap((s) => s.arms),
      (a) => `${a.model}\n${a.arm}\n${a.version}`,
      addArms,
    ),
    responses: sumBy(
      snapshots.flatMap((s) => s.responses),
      (r) => `${r.model}\n${r.version}\n${r.code}`,
      (a, b) => ({ ...a, count: a.count + b.count }),
    ),
    unrouted: sumBy(
      snapshots.flatMap((s) => s.unrouted),
      (u) => u.reason,
      (a, b) => ({ ...a, count: a.count + b.count }),
    ),
    recordings: sumBy(
      snapshots.flatMap((s) => s.recordings),
      (r) => r.model,
      (a, b) => ({
        ...a,
        unrecorded: a.unrecorded + b.unrecorded,
        dropped: a.dropped + b.dropped,
        stalledSeconds: a.stalledSeconds + b.stalledSeconds,
      }),
    ),
    feedback: sumBy(
      snapshots.flatMap((s) => s.feedback),
      ({ model, result }) => `${model}\n${result}`,
      (a, b) => ({ ...a, count: a.count + b.count }),
    ),
    truths: sumBy(
      snapshots.flatMap((s) => s.truths),
      ({ model, version, arm }) => `${model}\n${version}\n${arm}`,
      addTruths,
    ),
    inFlight: snapshots.reduce((sum, s) => sum + s.inFlight, 0),
    endpoints: sumBy(
      snapshots.flatMap((s) => s.endpoints),
      endpointKey,
      addEndpoints,
    ),
    secondAttempts: sumBy(
      snapshots.flatMap((s) => s.secondAttempts),
      versionKey,
      (a, b) => ({ ...a, made: a.made + b.made, refused: a.refused + b.refused }),
    ),
    panics: sumBy(
      snapshots.flatMap((s) => s.panics),
      ({ model }) => model,
      (a, b) => ({ ...a, count: a.count + b.count }),
    ),
    explanations: sumBy(
      snapshots.flatMap((s) => s.explanations),
      versionKey,
      addExplanations,
    ),
    mirrored: sumBy(
      snapshots.flatMap((s) => s.mirrored),
      ({ model }) => model,
      addMirrored,
    ),
    clients: sumBy(
      snapshots.flatMap((s) => s.clients),
      (c) => c.client,
      (a, b) => ({
        ...a,
        admitted: a.admitted + b.admitted,
        limited: a.limited + b.limited,
        forbidden: a.forbidden + b.forbidden,
      }),
    ),
    spans: snapshots.reduce(
      (sum, { spans: { exported, failed, dropped } }) => ({
        exported: sum.exported + exported,
        failed: sum.failed + failed,
        dropped: sum.dropped + dropped,
      }),
      NO_SPANS,
    ),
    predictionLog: snapshots.reduce(
      (sum, { predictionLog: { written, dropped } }) => ({
        written: sum.written + written,
        dropped: sum.dropped + dropped,
      }),
      { written: 0, dropped: 0 },
    ),
    process: snapshots.map((s) => s.process).reduce(addProcesses, IDLE_PROCESS),
  }
}

function endpointKey({ model, version, endpoint }: EndpointCounts): string {
  return `${model}\n${version}\n${endpoint}`
}

function versionKey({ model, version }: { model: string; version: string }): string {
  return `${model}\n${version}`
}

function sumBy<T>(items: readonly T[], key: (item: T) => string, add: (a: T, b: T) => T): T[] {
  const sums = new Map<string, T>()
  for (const item of items) {
    const k = key(item)
    const sum = sums.get(k)
    sums.set(k, sum === undefined ? item : add(sum, item))
  }
  return [...sums.values()]
}

function addArms(a: ArmCounts, b: ArmCounts): ArmCounts {
  const add = (x: readonly number[], y: readonly number[]) => x.map((n, i) => n + (y[i] ?? 0))
  return {
    ...a,
    outcomes: Object.fromEntries(OUTCOMES.map((o) => [o, (a.outcomes[o] ?? 0) + (b.outcomes[o] ?? 0)])),
    latencyBuckets: add(a.latencyBuckets, b.latencyBuckets),
    latencySumSeconds: a.latencySumSeconds + b.latencySumSeconds,
    scoreBuckets: add(a.scoreBuckets, b.scoreBuckets),
    scoreSum: a.scoreSum + b.scoreSum,
  }
}

function addTruths(a: TruthCounts, b: TruthCounts): TruthCounts {
  return {
    ...a,
    right: a.right + b.right,
    wrong: a.wrong + b.wrong,
    delayBuckets: a.delayBuckets.map((count, i) => count + b.delayBuckets[i]!),
    delaySumSeconds: a.delaySumSeconds + b.delaySumSeconds,
  }
}

function addExplanations(a: ExplanationCounts, b: ExplanationCounts): ExplanationCounts {
  return {
    ...a,
    codes: addByName(a.codes, b.codes),
    fetches: addByName(a.fetches, b.fetches),
    latencyBuckets: a.latencyBuckets.map((n, i) => n + (b.latencyBuckets[i] ?? 0)),
    latencySumSeconds: a.latencySumSeconds + b.latencySumSeconds,
  }
}

function addMirrored(a: MirrorCounts, b: MirrorCounts): MirrorCounts {
  return { ...a, results: addByName(a.results, b.results) }
}

function addByName(a: Record<string, number>, b: Record<string, number>): Record<string, number> {
  const sums = { ...a }
  for (const [name, count] of Object.entries(b)) sums[name] = (sums[name] ?? 0) + count
  return sums
}

export function addEndpoints(a: EndpointCounts, b: EndpointCounts): EndpointCounts {
  return {
    ...a,
    inFlight: a.inFlight + b.inFlight,
    limit: a.limit + b.limit,
    waiting: a.waiting + b.waiting,
    // Out for any process is worth a look; how many of them say so is not.
    ejected: Math.max(a.ejected, b.ejected),
    ejections: a.ejections + b.ejections,
    linkCalls: a.linkCalls + b.linkCalls,
    linkRows: a.linkRows + b.linkRows,
    deadCalls: a.deadCalls + b.deadCalls,
  }
}

/** Counts are added; of how the processes are, the worst stands for all. */
function addProcesses(a: ProcessCounts, b: ProcessCounts): ProcessCounts {
  return {
    connections: a.connections + b.connections,
    droppedConnections: a.droppedConnections + b.droppedConnections,
    overloadLevel: Math.max(a.overloadLevel, b.overloadLevel),
    shed: a.shed + b.shed,
    loopDelayP99Ms: Math.max(a.loopDelayP99Ms, b.loopDelayP99Ms),
    heapShare: Math.max(a.heapShare, b.heapShare),
    droppedLogLines: a.droppedLogLines + b.droppedLogLines,
  }
}
