import { expect, test } from 'vitest'
import { IDLE_PROCESS } from '../data/recorder.ts'
import type { EndpointCounts, ProcessCounts, Snapshot } from '../snapshot.ts'
import { addSnapshots, FleetCounts } from './fleet-counts.ts'

const IDLE: EndpointCounts = {
  ...{ model: 'churn', version: '1.0.0', endpoint: 'a' },
  ...{ inFlight: 0, limit: 0, waiting: 0, ejected: 0, ejections: 0, linkCalls: 0, linkRows: 0, deadCalls: 0 },
}
const snapshot = (
  endpoints: readonly Partial<EndpointCounts>[],
  process: Partial<ProcessCounts> = {},
  more: Partial<Snapshot> = {},
): Snapshot => ({
  ...addSnapshots([]),
  endpoints: endpoints.map((one) => ({ ...IDLE, ...one })),
  process: { ...IDLE_PROCESS, ...process },
  ...more,
})

const busy = { inFlight: 5, limit: 64, waiting: 2, ejections: 1, linkCalls: 10, linkRows: 300, deadCalls: 1 }
const attempts = [{ model: 'churn', version: '1.0.0', made: 3, refused: 2 }]

test('what the processes of a gateway count adds up', () => {
  const fleet = new FleetCounts()
  for (const name of ['one', 'two', 'three'])
    fleet.update(
      name,
      snapshot(
        [busy, { endpoint: 'b' }],
        { shed: 7 },
        { secondAttempts: attempts, panics: [{ model: 'churn', count: 2 }] },
      ),
      0,
    )
  const { endpoints, secondAttempts, panics, process } = fleet.total(0)
  expect(endpoints).toEqual([
    {
      ...IDLE,
      ...{ inFlight: 15, limit: 192, waiting: 6, ejections: 3, linkCalls: 30, linkRows: 900, deadCalls: 3 },
    },
    { ...IDLE, endpoint: 'b' },
  ])
  expect(secondAttempts).toEqual([{ model: 'churn', version: '1.0.0', made: 9, refused: 6 }])
  expect(panics).toEqual([{ model: 'churn', count: 6 }])
  expect(process.shed).toBe(21)
})

test('what clients asked adds up, and is forgotten with the client', () => {
  const fleet = new FleetCounts()
  const app = { client: 'app', admitted: 3, limited: 2, forbidden: 1 }
  const gone = { ...app, client: 'gone' }
  fleet.update('ended', snapshot([], {}, { clients: [app, gone] }), 0)
  fleet.update('one', snapshot([], {}, { clients: [app] }), 20_000)
  fleet.update('two', snapshot([], {}, { clients: [app] }), 20_000)
  expect(fleet.total(20_000).clients).toEqual([{ client: 'app', admitted: 9, limited: 6, forbidden: 3 }])
})

test('of how processes are the worst stands for all', () => {
  const { endpoints, process } = addSnapshots([
    snapshot([{ ejected: 1 }], { connections: 10, overloadLevel: 3, loopDelayP99Ms: 20, heapShare: 0.5 }),
    snapshot([{ ejected: 1 }], { connections: 20, overloadLevel: 1, loopDelayP99Ms: 400, heapShare: 0.4 }),
  ])
  expect(endpoints[0]!.ejected).toBe(1)
  expect(process).toMatchObject({ connections: 30, overloadLevel: 3, loopDelayP99Ms: 400, heapShare: 0.5 })
})

test('of a process that ended the counts stay, and nothing of how it was', () => {
  const fleet = new FleetCounts()
  const state = { connections: 10, overloadLevel: 3, loopDelayP99Ms: 400, heapShare: 0.9 }
  fleet.update('old', snapshot([busy], { ...state, shed: 7, droppedConnections: 4, droppedLogLines: 2 }), 0)
  fleet.update('new', snapshot([{ ejections: 1, limit: 32 }], { connections: 1 }), 20_000)
  const { endpoints, process } = fleet.total(20_000)
  expect(endpoints).toEqual([
    { ...IDLE, limit: 32, ejections: 2, linkCalls: 10, linkRows: 300, deadCalls: 1 },
  ])
  expect(process).toEqual({
    ...IDLE_PROCESS,
    ...{ connections: 1, shed: 7, droppedConnections: 4, droppedLogLines: 2 },
  })
})

test('an endpoint that no process has any more is gone, and so are second attempts at a version', () => {
  const fleet = new FleetCounts()
  fleet.update('old', snapshot([busy, { endpoint: 'gone' }], {}, { secondAttempts: attempts }), 0)
  fleet.update('new', snapshot([busy]), 20_000)
  const { endpoints, secondAttempts } = fleet.total(20_000)
  expect(endpoints.map(({ endpoint }) => endpoint)).toEqual(['a'])
  expect(secondAttempts).toEqual([])
})

test('however many processes and endpoints come and go, counts stay and little is kept', () => {
  const fleet = new FleetCounts()
  for (let i = 0; i < 500; i++)
    fleet.update(`process ${i}`, snapshot([{ ejections: 1 }, { endpoint: `only of ${i}` }], { shed: 1 }), i)
  // All of them are silent but the last.
  const { endpoints, process } = fleet.total(499 + 9_999)
  expect(endpoints.map(({ endpoint, ejections }) => [endpoint, ejections])).toEqual([
    ['a', 500],
    ['only of 499', 0],
  ])
  expect(process.shed).toBe(500)
})
