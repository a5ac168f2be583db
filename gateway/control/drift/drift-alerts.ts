import type { Notice } from '../../notifications/notice.ts'
import type { Compared, Comparison } from './comparison.ts'

/** What was counted comes every five seconds, and a verdict is about hours. */
const LOOK_MS = 15_000

/** What alerts are made from. */
export interface AlertWorld {
  models(): readonly string[]
  /** Those with an endpoint. */
  versions(model: string): readonly string[]
  stable(model: string): string | undefined
  drift(model: string, version: string): { readonly training: Comparison; readonly stable: Comparison }
  nowMs(): number
}

/** One comparison of one version. */
interface Watched {
  readonly model: string
  readonly version: string
  /** `training`, or the stable version. */
  readonly against: string
  readonly comparison: Comparison
}

/**
 * Who has drifted, told once when it begins and once when it is over. It begins where a verdict is `drifted` at two looks in a
 * row and is over where one is `steady`: what lies between, too few records and what cannot be measured begin nothing and end
 * nothing, so that a figure at a limit does not call again and again. One look would not do: versions are asked one after
 * the other, so that a world that changes is seen by one of them first, and looks like a difference between them. In
 * memory: control that starts anew counts anew, and tells again.
 */
export class DriftAlerts {
  readonly #world: AlertWorld
  /** Series that have drifted, by comparison. */
  #drifted = new Map<string, ReadonlySet<string>>()
  /** Those that the last look found to drift and that had not been told. */
  #suspected = new Map<string, ReadonlySet<string>>()
  #lookedMs = Number.NEGATIVE_INFINITY

  constructor(world: AlertWorld) {
    this.#world = world
  }

  /** What has changed since the last look; to be called as often as one likes. */
  look(): Notice[] {
    const nowMs = this.#world.nowMs()
    if (nowMs - this.#lookedMs < LOOK_MS) return []
    this.#lookedMs = nowMs
    const next = new Map<string, ReadonlySet<string>>()
    const suspected = new Map<string, ReadonlySet<string>>()
    const notices = this.#watched().flatMap((watched) => {
      const key = [watched.model, watched.version, watched.against].join('\n')
      const before = this.#drifted.get(key) ?? NONE
      const { drifts, over } = changed(watched, before)
      const twice = this.#suspected.get(key) ?? NONE
      const began = drifts.filter((one) => twice.has(nameOf(one)))
      suspected.set(key, new Set(drifts.map(nameOf)))
      const left = [...before].filter((name) => !over.includes(name))
      const now = new Set([...left, ...began.map(nameOf)])
      // A version that is gone has not become steady: it is forgotten.
      if (now.size > 0) next.set(key, now)
      return [
        ...(began.length > 0 ? [driftedNotice(watched, began, nowMs)] : []),
        ...(over.length > 0 ? [steadyNotice(watched, over, nowMs)] : []),
      ]
    })
    this.#drifted = next
    this.#suspected = suspected
    return notices
  }

  #watched(): Watched[] {
    const { models, versions, stable, drift } = this.#world
    return models().flatMap((model) =>
      versions(model).flatMap((version): Watched[] => {
        const found = drift(model, version)
        const beside = stable(model)
        const training = { model, version, against: 'training', comparison: found.training }
        if (beside === undefined || beside === version) return [training]
        return [training, { model, version, against: beside, comparison: found.stable }]
      }),
    )
  }
}

const NONE: ReadonlySet<string> = new Set()

const nameOf = ({ series: { kind, name } }: Compared) => (kind === 'feature' ? name : `the ${kind}`)

function changed(
  { against, comparison }: Watched,
  before: ReadonlySet<string>,
): { drifts: readonly Compared[]; over: readonly string[] } {
  if (!comparison.measured) return { drifts: [], over: [] }
  // Two versions may answer otherwise: to judge that is a guardrail's business.
  const told = comparison.series.filter(({ series }) => against === 'training' || series.kind === 'feature')
  return {
    drifts: told.filter((one) => one.verdict === 'drifted' && !before.has(nameOf(one))),
    over: told.filter((one) => one.verdict === 'steady' && before.has(nameOf(one))).map(nameOf),
  }
}

function driftedNotice(watched: Watched, began: readonly Compared[], nowMs: number): Notice {
  const found = began.map((one) => `${nameOf(one)} (${one.because.join('; ')})`).join(', ')
  return noticeOf('drifted', watched, began.map(nameOf), nowMs, {
    says: `drifted ${opponentOf(watched)}: ${found}`,
    because: found,
  })
}

function steadyNotice(watched: Watched, over: readonly string[], nowMs: number): Notice {
  return noticeOf('drift-over', watched, over, nowMs, {
    says: `steady again ${opponentOf(watched)}: ${over.join(', ')}`,
    because: 'steady again',
  })
}

const opponentOf = ({ against }: Watched) => (against === 'training' ? 'from training' : `beside ${against}`)

function noticeOf(
  kind: 'drifted' | 'drift-over',
  { model, version, against }: Watched,
  fields: readonly string[],
  nowMs: number,
  { says, because }: { readonly says: string; readonly because: string },
): Notice {
  return {
    id: `${kind}/${model}/${version}/${against}/${nowMs}`,
    kind,
    atMs: nowMs,
    model,
    says: `${model} ${version}: ${says}`,
    facts: { model, version, against, fields: fields.join(', '), because },
  }
}
