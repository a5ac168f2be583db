import { expect } from 'vitest'
import { type Gateway, json, until } from './gateway-process.ts'

/*
 * What an operator does with a rollout of churn and reads of it, by the admin API.
 */

const MODEL = '/api/v1/models/churn'
const REASON = 'a test'

/** Rules so wide that no chance decides: a version that works never fails so often, and one that fails does. */
export const WIDE = `
risk: { falseRollback: 0.01%, falsePromotion: 5% }
guardrails:
  - { metric: error_rate, tolerate: 20pp, margin: 40pp }
interval: 250ms
`

// biome-ignore lint/suspicious/noExplicitAny: tests read answers as they come
type Answer = any

export async function served(gateway: Gateway): Promise<Answer> {
  return json(await gateway.admin(`${MODEL}/rollout`))
}

/** Oldest first. */
export async function decisions(gateway: Gateway): Promise<Answer[]> {
  const { decisions } = await json(await gateway.admin(`${MODEL}/decisions?limit=1000`))
  return decisions.toReversed()
}

export async function kinds(gateway: Gateway): Promise<string[]> {
  return (await decisions(gateway)).map(({ kind }) => kind)
}

/** The newest decision. */
export async function newest(gateway: Gateway): Promise<Answer> {
  return (await decisions(gateway)).at(-1)
}

/** A change as an operator makes it, over what was looked at just before. */
export async function act(gateway: Gateway, what: string, more: object = {}): Promise<Response> {
  const etag = (await gateway.admin(`${MODEL}/rollout`)).headers.get('etag')!
  return change(gateway, what, etag, more)
}

/** A change over what was looked at when its ETag was this one. */
export function change(gateway: Gateway, what: string, etag: string, more: object = {}): Promise<Response> {
  return gateway.admin(`${MODEL}/${what}`, {
    method: what === 'rollout/weight' ? 'PUT' : 'POST',
    headers: { 'if-match': etag },
    json: { reason: REASON, ...more },
  })
}

/** Starts a rollout, whatever was seen of the traffic. */
export function start(gateway: Gateway, canary: string, more: object = {}): Promise<Response> {
  return gateway.admin(`${MODEL}/rollout`, { method: 'POST', json: { canary, reason: REASON, ...more } })
}

/** Waits until the running rollout is in this phase; tells what it was in when it does not come. */
export async function untilPhase(gateway: Gateway, kind: string): Promise<Answer> {
  let last: Answer
  await until(
    async () => {
      last = await served(gateway).catch(() => undefined)
      return last?.rollout?.phase.kind === kind
    },
    () => `${JSON.stringify(last)}\n${gateway.output}`,
  )
  return last.rollout
}

/** Waits until no rollout runs and gives the last one. */
export async function untilOver(gateway: Gateway): Promise<Answer> {
  let last: Answer
  await until(
    async () => {
      last = await served(gateway).catch(() => undefined)
      return last !== undefined && last.rollout === null && last.last !== null
    },
    () => `${JSON.stringify(last)}\n${gateway.output}`,
  )
  return last.last
}

/**
 * Every revision has one row, each row goes on from where the one before ended, every one says why, and what the
 * controller decided is decided again from what it knew.
 */
export async function expectWholeRecord(gateway: Gateway): Promise<void> {
  const rows = await decisions(gateway)
  let before = { revision: 0, weightPercent: 0, stable: null, canary: null }
  for (const row of rows) {
    expect(row.before).toEqual(before)
    expect(row.after.revision).toBe(before.revision + 1)
    expect(row.because).toMatch(/\w/)
    before = row.after
    if (row.actor !== 'controller') continue
    const { replay } = await json(await gateway.admin(`${MODEL}/decisions/${row.id}`))
    expect(replay).toMatchObject({ same: true })
  }
  expect((await served(gateway)).revision).toBe(before.revision)
}
