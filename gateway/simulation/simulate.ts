import type { Outcome } from '@coalmine/core/rollout/phase.ts'
import { AFFINITY_HEADER, ControlProcess, MODEL } from './control-process.ts'
import { DataProcess } from './data-process.ts'
import { Dice } from './dice.ts'
import { beginFaults, endFaults } from './faults.ts'
import { FaultyStore } from './faulty-store.ts'
import { History } from './history.ts'
import { Host } from './host.ts'
import { Ledger } from './ledger.ts'
import { overhear } from './overheard.ts'
import { People } from './people.ts'
import { Report } from './report.ts'
import { checkRest, checkRows } from './rest.ts'
import { type Scenario, scenarioOf, type World } from './scenario.ts'
import { Traffic } from './traffic.ts'
import { VirtualTime } from './virtual-time.ts'
import { FIRST_CANARY, FIRST_STABLE, Workers } from './workers.ts'

export interface Options {
  /** Tell everything that happens. */
  readonly trace?: boolean
}

/** What came of one life of a fleet. */
export interface Run {
  readonly seed: number
  readonly world: World
  readonly calm: boolean
  readonly policy: string
  /** Invariants that did not hold; empty for a program without faults. */
  readonly broken: readonly string[]
  readonly trace: readonly string[]
  /** How the first rollout ended; undefined while it goes on. */
  readonly first: Outcome | undefined
  /** The first rollout was rolled back, or promoted, by proof. */
  readonly proven: 'rolled-back' | 'promoted' | undefined
  readonly requests: number
  readonly decisions: number
  readonly evaluations: number
}

/** 2027-01-15: the time of day when a run begins. */
const EPOCH_MS = 1_800_000_000_000
const FIRST_ROLLOUT_MS = 15_000
/** How long it takes on average until somebody does something again: one figure a run between these. */
const ACTION_GAPS_MS = [2_000, 40_000] as const
const AGAIN_MS = 5_000
const ARRIVED_MS = 15_000

/** One life of a gateway with all its processes, in virtual time. The same seed gives the same life. */
export async function simulate(seed: number, { trace = false }: Options = {}): Promise<Run> {
  const dice = new Dice(`simulation ${seed}`)
  const scenario = scenarioOf(dice.of('scenario'))
  const { calm, processes, lifeMs, quietFromMs } = scenario
  const time = new VirtualTime()
  const report = new Report(time, trace)
  const ledger = new Ledger()
  const history = new History(MODEL, {
    report,
    ledger,
    complete: calm,
    processes,
    arrivedSince: (fromMs) => traffic.since(fromMs),
  })
  const store = new FaultyStore(time, dice.of('store'), history)
  const host = new Host(time, dice.of('host'))
  const workers = new Workers(time, dice.of('workers'), scenario)
  const traffic = new Traffic(dice.of('traffic'), host, scenario)
  const people = new People(dice.of('people'), report, scenario.policy)
  const clock = { jumpMs: 0 }
  /** Of the time of day, as against the monotonic clock. */
  const rate = calm ? 1 : dice.around(0.5, 2)
  report.trace(() => JSON.stringify({ seed, ...scenario, policy: scenario.policy.name, rate }))

  let born = 0
  const wallMs = () => EPOCH_MS + time.nowMs * rate + clock.jumpMs
  const startControl = () => {
    const name = `control-${++born}`
    const control = new ControlProcess({
      name,
      time,
      host,
      store,
      workers,
      history,
      report,
      processes,
      wallMs,
    })
    report.trace(() => `${name} starts`)
    control.start().catch(() => control.crash())
  }
  const startData = () => {
    const name = `data-${++born}`
    report.trace(() => `${name} starts`)
    host.add(new DataProcess({ name, time, host, dice: dice.of(name), workers, ledger, report }))
  }
  startControl()
  for (let i = 0; i < processes; i++) startData()
  time.every(1000, () => {
    if (host.controls.size === 0) startControl()
    if (host.data.size < processes) startData()
    return true
  })

  begin({ scenario, time, host, people })
  const faults = { time, dice: dice.of('faults'), host, store, workers, report, scenario, clock }
  if (!calm) beginFaults({ ...faults, starter: { startControl, startData } })
  if (!calm) letPeopleAct(time, dice.of('acts'), { host, people, untilMs: quietFromMs })
  time.at(quietFromMs, () => {
    report.trace(() => 'from now on all is quiet')
    endFaults({ ...faults, starter: { startControl, startData } })
  })
  // What people had begun has arrived by then.
  time.at(quietFromMs + ARRIVED_MS, () => insist(time, host, (control) => people.lift(control)))

  const unheard = overhear(report)
  try {
    await time.run(lifeMs, (untilMs) => traffic.advance(untilMs))
  } finally {
    unheard()
  }
  checkVerdict(scenario, history, report)
  checkRest({ host, history, report, nowMs: time.nowMs })
  await checkRows(store.truth, history, report)
  return {
    seed,
    ...summaryOf(scenario, history),
    broken: report.broken,
    trace: report.lines,
    requests: traffic.requests,
  }
}

/** The first version is deployed, and the first rollout begins, whatever it takes. */
function begin({
  scenario,
  time,
  host,
  people,
}: {
  scenario: Scenario
  time: VirtualTime
  host: Host
  people: People
}): void {
  const { world, policy, sticky } = scenario
  const version = world === 'measured' ? FIRST_STABLE : FIRST_CANARY
  insist(time, host, (control) => people.initialise(control))
  time.at(FIRST_ROLLOUT_MS / 2, () => {
    if (sticky) insist(time, host, (control) => people.keepCallers(control, AFFINITY_HEADER))
  })
  time.at(FIRST_ROLLOUT_MS, () => insist(time, host, (control) => people.try(control, { version, policy })))
}

/** Tries until it is known to be done or refused. A process that has died says nothing. */
function insist(
  time: VirtualTime,
  host: Host,
  wish: (control: ControlProcess) => ReturnType<People['initialise']>,
): void {
  const [control] = host.controls
  let known = false
  if (control !== undefined)
    void wish(control).then((result) => {
      known = result !== 'unknown'
    })
  time.after(AGAIN_MS, () => {
    if (!known) insist(time, host, wish)
  })
}

function letPeopleAct(
  time: VirtualTime,
  dice: Dice,
  { host, people, untilMs }: { host: Host; people: People; untilMs: number },
): void {
  const meanGapMs = dice.around(...ACTION_GAPS_MS)
  const next = () =>
    time.after(dice.exponential(meanGapMs), () => {
      if (time.nowMs >= untilMs) return
      const control = dice.pick([...host.controls, undefined])
      if (control !== undefined) void people.act(control)
      next()
    })
  next()
}

/** A canary that is far beyond its margins from the beginning is not promoted by proof, and is found out. */
function checkVerdict({ world, calm, badFromMs }: Scenario, history: History, report: Report): void {
  const { proofs, ended } = history
  const pair = history.ended.get(1) ?? history.now.rollout
  if (world === 'healthy' || world === 'measured' || badFromMs > 0) return
  // Somebody may have begun with other versions.
  if (pair?.canary.version !== FIRST_CANARY || pair.stable.version !== FIRST_STABLE) return
  report.holds(proofs.get(1)?.kind !== 'promoted', () => `a canary that is ${world} was promoted by proof`)
  const { phase } = ended.get(1) ?? {}
  if (calm)
    report.holds(
      phase?.kind === 'finished' && phase.outcome === 'rolled-back',
      () => `a canary that is ${world} was not found out`,
    )
}

function summaryOf({ world, calm, policy }: Scenario, { ended, proofs, events, evaluations }: History) {
  const first = ended.get(1)
  const outcome = first?.phase.kind === 'finished' ? first.phase.outcome : undefined
  return {
    world,
    calm,
    policy: policy.name,
    first: outcome,
    proven: proofs.get(1)?.kind,
    decisions: events,
    evaluations,
  }
}
