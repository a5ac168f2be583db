import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { exposition } from './metrics.ts'
import { DecisionCounts } from './metrics-decisions.ts'

const text = (counts: DecisionCounts, models: string[]) => exposition(counts.metrics(models), new Registry())
const series = (kind: string, actorKind: string) =>
  `coalmine_decisions_total{model="churn",kind="${kind}",actor_kind="${actorKind}"}`

test('decisions are counted by kind and by who made them; no name becomes a label', async () => {
  const counts = new DecisionCounts()
  const decided = { model: 'churn', kind: 'rolled-back' } as const
  for (const actor of ['controller', 'controller', 'gateway', 'config', 'ann', 'operator'])
    counts.add({ ...decided, actor })
  const exposed = await text(counts, ['churn'])
  expect(exposed).toContain(`${series('rolled-back', 'controller')} 2\n`)
  expect(exposed).toContain(`${series('rolled-back', 'gateway')} 1\n`)
  expect(exposed).toContain(`${series('rolled-back', 'config')} 1\n`)
  expect(exposed).toContain(`${series('rolled-back', 'person')} 2\n`)
  expect(exposed).not.toContain('ann')
})

test('what may happen by itself is 0 before it does, so that the first time is an increase', async () => {
  const exposed = await text(new DecisionCounts(), ['churn'])
  expect(exposed).toContain(`${series('rolled-back', 'controller')} 0\n`)
  expect(exposed).toContain(`${series('rolled-back', 'gateway')} 0\n`)
  expect(exposed).not.toContain('actor_kind="person"')
})

test('a model that is configured no more keeps its counts', async () => {
  const counts = new DecisionCounts()
  counts.add({ model: 'churn', kind: 'promoted', actor: 'controller' })
  expect(await text(counts, [])).toContain(`${series('promoted', 'controller')} 1\n`)
})
