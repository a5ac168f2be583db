import type { DeploymentEvent } from '@coalmine/core/rollout/event.ts'

/** What people are told of. */
export const NOTICES = [
  'started',
  'step',
  'approval-needed',
  'held',
  'promoted',
  'rolled-back',
  'aborted',
  'invalid',
  'drifted',
  'drift-over',
] as const
export type NoticeKind = (typeof NOTICES)[number]

/** One thing that happened, as receivers are told of it. */
export interface Notice {
  /** The same however often it is sent. */
  readonly id: string
  readonly kind: NoticeKind
  readonly atMs: number
  /** Undefined where it is about the configuration. */
  readonly model?: string
  /** One sentence for people. */
  readonly says: string
  readonly facts: Readonly<Record<string, string | number | boolean | null>>
}

const KINDS: Partial<Record<DeploymentEvent['kind'], NoticeKind>> = {
  'rollout-started': 'started',
  begun: 'step',
  advanced: 'step',
  'approval-asked': 'approval-needed',
  held: 'held',
  promoted: 'promoted',
  'rolled-back': 'rolled-back',
  aborted: 'aborted',
}

/** What is told of a recorded change; undefined for those that nobody has to hear of. */
export function noticeOf(event: DeploymentEvent): Notice | undefined {
  const kind = KINDS[event.kind]
  if (kind === undefined) return undefined
  const { model, serial, before, after, actor, reason, because, atMs } = event
  return {
    id: `${model}/${after.revision}`,
    kind,
    atMs,
    model,
    says: `${model}: ${because}`,
    facts: {
      model,
      rollout: serial === 0 ? null : serial,
      revision: after.revision,
      stable: after.stable ?? null,
      canary: after.canary ?? before.canary ?? null,
      weightPercentBefore: before.weightBp / 100,
      weightPercent: after.weightBp / 100,
      actor,
      reason,
      because,
    },
  }
}

/** A configuration that is refused: what was in force before stays so. */
export function refusedNotice(problem: string, atMs: number): Notice {
  return {
    id: `configuration/${atMs}`,
    kind: 'invalid',
    atMs,
    says: `the configuration is refused; the settings before it stay in force: ${problem}`,
    facts: { problem },
  }
}
