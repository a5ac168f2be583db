import type { Dice } from './dice.ts'
import type { FaultyStore } from './faulty-store.ts'
import type { Host } from './host.ts'
import type { Report } from './report.ts'
import type { Scenario } from './scenario.ts'
import type { VirtualTime } from './virtual-time.ts'
import type { Workers } from './workers.ts'

/** Whoever starts processes again. */
export interface Starter {
  startControl(): void
  startData(): void
}

export interface FaultSetting {
  readonly time: VirtualTime
  readonly dice: Dice
  readonly host: Host
  readonly store: FaultyStore
  readonly workers: Workers
  readonly report: Report
  readonly scenario: Scenario
  readonly starter: Starter
  /** The time of day, as the machine believes: what is added to it. */
  readonly clock: { jumpMs: number }
}

/** How long it takes on average until the next: one figure a run between these. */
const GAPS_MS = [4_000, 40_000] as const
const HOUR_MS = 3_600_000

/** Everything that goes wrong, at random instants until the quiet begins. */
export function beginFaults(setting: FaultSetting): void {
  const { time, dice, scenario } = setting
  const meanGapMs = dice.around(...GAPS_MS)
  const next = () =>
    time.after(dice.exponential(meanGapMs), () => {
      if (time.nowMs >= scenario.quietFromMs) return
      dice.pick(FAULTS)(setting)
      next()
    })
  next()
}

/** Ends what still goes wrong. */
export function endFaults({ time, host, store, workers }: FaultSetting): void {
  const { nowMs } = time
  store.downUntilMs = store.slowUntilMs = nowMs
  store.failing = { before: 0, after: 0 }
  host.up.disturbed.untilMs = host.down.disturbed.untilMs = nowMs
  for (const control of host.controls) control.crashPoint = undefined
  // The first to live is the old one.
  for (const control of [...host.controls].slice(0, -1)) control.crash()
  workers.incidents.length = 0
}

type Fault = (setting: FaultSetting) => void

const FAULTS: readonly Fault[] = [
  function storeIsDown({ time, dice, store, report }) {
    store.downUntilMs = time.nowMs + dice.around(500, 60_000)
    report.trace(() => `the store is down until ${store.downUntilMs.toFixed(0)}`)
  },
  function storeIsSlow({ time, dice, store, report }) {
    store.slowUntilMs = time.nowMs + dice.between(1000, 20_000)
    store.slowMs = dice.around(10, 6000)
    report.trace(
      () => `the store is slow until ${store.slowUntilMs.toFixed(0)}, up to ${store.slowMs.toFixed(0)} ms`,
    )
  },
  function storeFails({ time, dice, store, report }) {
    store.failing = dice.pick([
      { before: 0.5, after: 0 },
      { before: 0, after: 0.5 },
      { before: 0.2, after: 0.2 },
    ])
    report.trace(() => `commits fail: ${JSON.stringify(store.failing)}`)
    time.after(dice.between(1000, 20_000), () => {
      store.failing = { before: 0, after: 0 }
    })
  },
  function controlCrashes({ dice, host, report, ...setting }) {
    const control = dice.pick([...host.controls, undefined])
    if (control === undefined) return
    control.crashPoint = dice.pick(['before-commit', 'after-commit', 'after-publish', undefined])
    report.trace(() => `${control.name} ends ${control.crashPoint ?? 'now'}`)
    if (control.crashPoint === undefined) control.crash()
    clockChanges({ dice, host, report, ...setting })
  },
  function controlLingers({ time, dice, host, starter, clock, report }) {
    if (host.controls.size !== 1) return
    const [old] = host.controls
    if (dice.chance(0.5)) clock.jumpMs += dice.between(-2000, 2000)
    report.trace(() => `${old!.name} lingers beside a new one`)
    starter.startControl()
    time.after(dice.between(2000, 40_000), () => {
      if (old!.alive && host.controls.size > 1) old!.crash()
    })
  },
  function dataCrashes({ dice, host, report }) {
    const process = dice.pick([...host.data, undefined])
    report.trace(() => `${process?.name ?? 'nothing'} is dead`)
    process?.crash()
  },
  function deltasAreDisturbed({ time, dice, host, report }) {
    disturb(host.up.disturbed, time, dice)
    report.trace(() => `up is disturbed: ${JSON.stringify(host.up.disturbed)}`)
  },
  function tablesAreDisturbed({ time, dice, host, report }) {
    disturb(host.down.disturbed, time, dice)
    report.trace(() => `down is disturbed: ${JSON.stringify(host.down.disturbed)}`)
  },
  function workerIsDown({ time, dice, workers, host, report }) {
    const worker = someWorker(host, dice)
    const incident = {
      kind: 'down',
      fromMs: time.nowMs,
      untilMs: time.nowMs + dice.around(500, 20_000),
    } as const
    workers.incidents.push(worker === undefined ? incident : { ...incident, worker })
    report.trace(() => `down: ${worker ?? 'all workers'}`)
  },
  function workerStalls({ time, dice, workers, host, report }) {
    const worker = someWorker(host, dice)
    const incident = {
      kind: 'stall',
      fromMs: time.nowMs,
      untilMs: time.nowMs + dice.around(50, 5000),
    } as const
    workers.incidents.push(worker === undefined ? incident : { ...incident, worker })
    report.trace(() => `stalled: ${worker ?? 'all workers'}`)
  },
]

/** For the next control process to believe. */
function clockChanges({ dice, clock, report }: FaultSetting): void {
  if (dice.chance(0.6)) return
  clock.jumpMs += dice.pick([HOUR_MS, -HOUR_MS, 5000, -5000])
  report.trace(() => `the clock is ${clock.jumpMs} ms off`)
}

function disturb(disturbed: Host['up']['disturbed'], time: VirtualTime, dice: Dice): void {
  Object.assign(disturbed, {
    untilMs: time.nowMs + dice.between(1000, 15_000),
    lost: dice.pick([0, 0.02, 0.3]),
    repeated: dice.pick([0, 0.3]),
    delayMs: dice.around(10, 4000),
  })
}

/** One of those that somebody serves from; undefined for all. */
function someWorker(host: Host, dice: Dice): string | undefined {
  const known = [...host.controls].flatMap((control) => control.workers())
  return dice.pick([...known, undefined])
}
