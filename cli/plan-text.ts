import { columns, durationText, paint, percentText } from './text.ts'
import type { Need, Plan } from './views.ts'

/** A plan as people read it. */
export function planLines({ expected, mirror, steps, comparisons, cannotDecide, warnings }: Plan): string[] {
  return [
    expected === null
      ? paint('yellow', 'no promotion is to be expected')
      : `promoted after about ${needText(expected)}, if the canary is as stable is`,
    '',
    ...columns([
      ['step', 'weight', 'begins after', 'takes', 'waits longest for'].map((title) => paint('dim', title)),
      ...(mirror === null ? [] : [mirrorRow(mirror)]),
      ...steps.map(({ weightPercent, startSeconds, durationSeconds, slowest }, i) => [
        `${i + 1}`,
        percentText(weightPercent),
        durationText(startSeconds),
        durationSeconds === null ? 'never ends' : durationText(durationSeconds),
        slowest ?? 'its least duration',
      ]),
    ]),
    '',
    ...columns([
      ['in the last step', 'rolled back at its margin', 'at twice its margin', 'proven'].map((title) =>
        paint('dim', title),
      ),
      ...comparisons.map(({ name, acts, steps }) => {
        const last = steps.at(-1)
        return [
          acts ? name : `${name} (signal)`,
          needText(last?.atMargin),
          needText(last?.atTwiceMargin),
          needText(last?.finalProof),
        ]
      }),
    ]),
    ...cannotDecide.map((sentence) => paint('red', `cannot be decided: ${sentence}`)),
    ...warnings.map((sentence) => paint('yellow', `note: ${sentence}`)),
  ]
}

function mirrorRow({ durationSeconds, inputs, slowest }: NonNullable<Plan['mirror']>): string[] {
  const takes =
    durationSeconds === null
      ? 'never ends'
      : `${durationText(durationSeconds)}, ${inputs?.toLocaleString('en-US')} distinct inputs`
  return ['mirror', '', durationText(0), takes, slowest ?? 'its least duration']
}

function needText(need: Need | null | undefined): string {
  if (!need) return 'never'
  if (need.requests === 0) return 'before it'
  return `${durationText(need.seconds)}, ${need.requests.toLocaleString('en-US')} requests`
}
