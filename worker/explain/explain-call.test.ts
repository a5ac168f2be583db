import { readdirSync, readFileSync } from 'node:fs'
import { constants, getPriority } from 'node:os'
import { afterAll, describe, expect, test } from 'vitest'
import { one, post, type Send, startTabular } from '../testing/tabular-worker.ts'

const { adapters, close } = await startTabular()
afterAll(close)

const EXPLAIN = '/v1/models/tabular:explain'
const later = (...instances: object[]) => post({ instances, mode: 'interventional' })

/** Asks until it is told more than to wait. */
async function fetched(send: Send, path: string): Promise<Response> {
  for (;;) {
    const response = await send(path)
    if (response.status !== 202) return response
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe.each(adapters)('%s', (_, send) => {
  test('what is asked for with a mode is taken, and answered where the answer says', async () => {
    const taken = await send(EXPLAIN, later(one, { ...one, count: 9 }))
    expect(taken.status).toBe(202)
    expect(taken.headers.get('retry-after')).toBe('1')
    const { id, ...told } = (await taken.json()) as { id: string }
    expect(told).toMatchObject({ records: 2, model_name: 'tabular', model_version: '1.0.0' })
    const location = taken.headers.get('location')!
    expect(location).toBe(`/v1/models/tabular/explanations/${id}`)
    const response = await fetched(send, location)
    expect(response.status).toBe(200)
    expect(response.headers.get('x-model-version')).toBe('1.0.0')
    const { explanations, ...how } = (await response.json()) as {
      explanations: { value: number; base_value: number; contributions: { contribution: number }[] }[]
    }
    expect(how).toMatchObject({ method: 'exact', link: 'identity', background: { rows: expect.any(Number) } })
    for (const { value, base_value, contributions } of explanations) {
      const sum = contributions.reduce((sum, { contribution }) => sum + contribution, base_value)
      expect(sum).toBeCloseTo(value, 6)
    }
    expect(explanations).toHaveLength(2)
  })

  test.each([
    ['a mode that is none', 'sideways', 'not_in_enum', 'got "sideways"'],
    ['a mode that is no text', 7, 'wrong_type', 'got 7'],
  ])('%s is refused, with all that is wrong beside it', async (_, mode, type, came) => {
    const response = await send(EXPLAIN, post({ instances: [{ ...one, count: 'x' }], mode }))
    expect(response.status).toBe(422)
    const { detail } = (await response.json()) as { detail: { loc: unknown[]; type: string; msg: string }[] }
    expect(detail.map(({ loc }) => loc)).toEqual([
      ['body', 'mode'],
      ['body', 'instances', 0, 'count'],
    ])
    expect(detail[0]!.type).toBe(type)
    expect(detail[0]!.msg).toContain(`mode: expected "interventional" or none, ${came}`)
  })

  test('an explanation that nobody asked for is not there, and none is made by asking for it', async () => {
    const path = '/v1/models/tabular/explanations/0123456789abcdef00000000'
    const unknown = await send(path)
    expect([unknown.status, await unknown.json()]).toEqual([
      404,
      { error: 'there is no such explanation here' },
    ])
    expect((await send(path, { method: 'POST' })).status).toBe(405)
  })
})

test.runIf(process.platform === 'linux')(
  'who explains, at once or later, stands behind predictions',
  async () => {
    const own = getPriority()
    const lowest = () =>
      readdirSync('/proc/self/task')
        .map(nicenessOf)
        .filter((niceness) => niceness === constants.priority.PRIORITY_LOW).length
    const before = lowest()
    // One that has explained nothing yet.
    const { adapters, close } = await startTabular()
    try {
      const [, send] = adapters[0]!
      await (await send(EXPLAIN, post({ instances: [one] }))).text()
      const withThoseAtOnce = lowest()
      expect(withThoseAtOnce).toBeGreaterThan(before)
      const taken = await send(EXPLAIN, later(one))
      await fetched(send, taken.headers.get('location')!)
      expect(lowest()).toBeGreaterThan(withThoseAtOnce)
      expect(getPriority()).toBe(own)
    } finally {
      await close()
    }
  },
)

/** Undefined of a thread that has ended. */
function nicenessOf(thread: string): number | undefined {
  try {
    // The 17th field after the name, which may hold anything.
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8')
    return Number(stat.split(') ').at(-1)!.split(' ')[16])
  } catch {
    return undefined
  }
}
