import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  BODY,
  canary,
  clock,
  deltas,
  EPOCH_OFFSET_MS,
  evidence,
  freshDataPlane,
  models,
  outcomes,
  plane,
  prediction,
  route,
  stable,
} from '../testing/data-port.ts'
import { answering, type Behaviour, FAULTS } from '../testing/upstream.ts'
import { dataApp } from './app.ts'

freshDataPlane()

/** Answers when it is told to. */
function held() {
  const { promise, resolve } = Promise.withResolvers<() => void>()
  const behaviour: Behaviour = (_, outgoing) => resolve(() => outgoing.end(JSON.stringify(prediction)))
  return { asked: promise, behaviour }
}
describe('a recording', () => {
  const predict = () => dataApp(plane).request('/v1/models/churn:predict', { method: 'POST', body: BODY })
  /** Incarnations in the order of their first deltas. */
  const announced = () =>
    deltas.filter(({ sequence }) => sequence === 0).map(({ incarnation }) => incarnation)

  test('waits for the time of the evidence', async () => {
    const says = { recording: 'churn/7/0', sequence: 0, model: 'churn' }
    route({ weightBp: 10_000, trial: {} })
    expect(deltas).toMatchObject([says])
    expect(deltas[0]!.flush.early!.through).toBe((clock.ms + EPOCH_OFFSET_MS) / 1000 - 2)
  })

  test('goes on over tables that record the same', async () => {
    route({ weightBp: 10_000, trial: {} })
    await predict()
    route({ weightBp: 5_000, trial: { shield: false, firstAttemptMs: 100 } })
    models(['churn'])
    expect(announced()).toHaveLength(1)
    expect(evidence().canary!.requests).toBe(1)
  })

  test.each([
    ['the recording has another name', () => route({ weightBp: 10_000, trial: { recording: 'churn/7/1' } })],
    ['scores are cut elsewhere', () => route({ weightBp: 10_000, trial: { scoreEdges: [0.1, 0.2, 0.3] } })],
    ['another rollout runs', () => route({ weightBp: 10_000, serial: 8, trial: {} })],
    ['the clock is another', () => models(['churn'], EPOCH_OFFSET_MS + 1)],
    [
      'its deltas are discarded',
      () => plane.apply({ kind: 'fenced', model: 'churn', incarnations: ['other', announced()[0]!] }),
    ],
  ])('begins anew when %s', async (_, change) => {
    route({ weightBp: 10_000, trial: {} })
    await predict()
    change()
    expect(new Set(announced()).size).toBe(2)
    // What the first one held is lost, for all arms alike.
    expect(evidence()).toEqual({})
  })

  test('is not disturbed by what happens to others', () => {
    route({ weightBp: 10_000, trial: {} })
    plane.apply({ kind: 'fenced', model: 'churn', incarnations: ['other'] })
    plane.apply({ kind: 'fenced', model: 'digits', incarnations: announced() })
    expect(announced()).toHaveLength(1)
  })

  test('ends with its rollout', async () => {
    route({ weightBp: 10_000, trial: {} })
    await predict()
    route({ weightBp: 10_000 })
    expect(evidence()).toEqual({})
    expect(deltas).toHaveLength(1)
  })

  test('is kept by the requests that were drawn in it', async () => {
    route({ weightBp: 10_000, trial: {} })
    const { asked, behaviour } = held()
    canary.behave(behaviour)
    const reply = predict()
    const answer = await asked
    plane.apply({ kind: 'fenced', model: 'churn', incarnations: announced() })
    canary.behave(answering(prediction))
    await predict()
    answer()
    expect((await reply).status).toBe(200)
    expect(evidence()).toEqual({ canary: { requests: 1, errors: 0, aborted: 0 } })
    expect(plane.recorder.snapshot().recordings).toEqual([
      { model: 'churn', unrecorded: 0, dropped: 0, stalledSeconds: 0 },
    ])
  })

  test('counts a caller that left as such', async () => {
    route({ weightBp: 10_000, trial: {} })
    const { asked, behaviour } = held()
    canary.behave(behaviour)
    const client = new AbortController()
    const { signal } = client
    void dataApp(plane).request('/v1/models/churn:predict', { method: 'POST', body: BODY, signal })
    await asked
    client.abort()
    expect(outcomes()).toEqual({ canary: { aborted: 1 } })
    expect(evidence()).toEqual({ canary: { requests: 1, errors: 0, aborted: 1 } })
  })

  test('has everything that was drawn, whatever became of it', async () => {
    const behaviours = [answering(prediction), answering({}, 422), ...Object.values(FAULTS)]
    const fault = fc.nat(behaviours.length - 1)
    let serial = 100
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fault, fault), { maxLength: 14 }), async (requests) => {
        const before = structuredClone(outcomes())
        deltas.length = 0
        route({
          weightBp: 4_000,
          baselineBp: 2_000,
          serial: serial++,
          trial: { recording: `churn/${serial}` },
          more: [{ arm: 'baseline' }],
        })
        for (const [ofStable, ofCanary] of requests) {
          stable.behave(behaviours[ofStable]!)
          canary.behave(behaviours[ofCanary]!)
          clock.ms += 100
          await predict()
        }
        const got = evidence()
        for (const arm of ['stable', 'baseline', 'canary']) {
          const since = (...words: string[]) =>
            words.reduce((sum, word) => sum + (outcomes()[arm]?.[word] ?? 0) - (before[arm]?.[word] ?? 0), 0)
          const errors = since('error', 'invalid', 'timeout', 'unavailable')
          const requests = errors + since('ok', 'rejected', 'aborted')
          expect([arm, got[arm] ?? { requests: 0, errors: 0, aborted: 0 }]).toEqual([
            arm,
            { requests, errors, aborted: since('aborted') },
          ])
        }
        expect(Object.values(got).reduce((sum, arm) => sum + arm.requests, 0)).toBe(requests.length)
      }),
      { numRuns: 25 },
    )
  })
})
