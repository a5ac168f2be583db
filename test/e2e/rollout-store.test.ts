import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Gateway, json, noOwnDisk, PATIENT, until } from './gateway-process.ts'
import { type Load, startLoad, troubles } from './rollout-load.ts'
import {
  act,
  change,
  expectWholeRecord,
  kinds,
  newest,
  served,
  start,
  untilOver,
  untilPhase,
  WIDE,
} from './rollout-record.ts'

/** The first step would end while the store is away. */
const POLICY = `
steps:
  - { setWeight: 10, minDuration: 4s, proof: 1 }
  - { setWeight: 30, minDuration: 720h, proof: 1 }
${WIDE}`
const DISK_BYTES = 32 * 1024 * 1024
/** Programs that say "taken" when the store takes nothing any more, and give it back with the end of their input. */
const LOCK = `
const other = new (require('node:sqlite').DatabaseSync)('coalmine.db', { timeout: 5000 })
other.exec('BEGIN EXCLUSIVE')
console.log('taken')
process.stdin.on('end', () => other.close()).resume()`
const FILL = `
const { rmSync, writeFileSync } = require('node:fs')
for (const bytes of [65536, 4096, 1]) {
  try {
    for (;;) writeFileSync('full', Buffer.alloc(bytes), { flag: 'a' })
  } catch {}
}
console.log('taken')
process.stdin.on('end', () => rmSync('full')).resume()`
const noDisk = noOwnDisk()
if (noDisk) console.warn(`without a test of a full disk: ${noDisk}`)

describe('a rollout whose store is away', () => {
  let gateway: Gateway
  let load: Load

  const said = (text: string) => gateway.output.split(text).length - 1
  /** Runs `then` while this program keeps the store from taking anything. */
  const without = async (program: string, then: () => Promise<void>) => {
    const [stood, went] = [said('rollouts stand still'), said('rollouts go on')]
    const changed = `process.chdir(${JSON.stringify(join(gateway.folder, 'data'))})\n${program}`
    const [command, ...flags] = gateway.beside([process.execPath, '-e', changed])
    const other = spawn(command!, flags, { stdio: ['pipe', 'pipe', 'inherit'] })
    const ended = once(other, 'exit')
    try {
      await once(other.stdout, 'data')
      await until(
        () => said('rollouts stand still') > stood,
        () => gateway.output,
      )
      await then()
    } finally {
      other.stdin.end()
      await ended
    }
    await until(
      () => said('rollouts go on') > went,
      () => gateway.output,
    )
    // Told once.
    expect([said('rollouts stand still'), said('rollouts go on')]).toEqual([stood + 1, went + 1])
  }
  const untilMoreIsAnswered = async () => {
    const { answered } = load.seen()
    await until(() => load.seen().answered > answered + 200)
    expect(troubles(load.seen())).toEqual({})
  }

  beforeAll(async () => {
    gateway = await Gateway.start({
      policies: { policy: POLICY },
      models: `  churn:
    initial: 1.0.0
    policy: policy
    runtime: process
    resilience: { ${PATIENT} }`,
      ...(noDisk === undefined && { stateBytes: DISK_BYTES }),
    })
    load = startLoad(gateway)
    expect((await start(gateway, '1.1.0', { force: true })).status).toBe(201)
    await untilPhase(gateway, 'stepping')
  })
  afterAll(async () => {
    await load?.stop()
    await gateway?.dispose()
  })

  test('locked by somebody else: predictions go on, no weight rises, no change is half made', async () => {
    await without(LOCK, async () => {
      const before = await served(gateway)
      const refused = await change(gateway, 'rollout/pause', `"${before.revision}"`)
      expect([refused.status, (await json(refused)).code]).toEqual([503, 'store-unavailable'])
      await untilMoreIsAnswered()
      const now = await served(gateway)
      expect([now.revision, now.rollout.phase]).toEqual([before.revision, before.rollout.phase])
    })
    await until(async () => (await served(gateway)).rollout.phase.step === 2)
    expect(await kinds(gateway)).toEqual(['initialised', 'rollout-started', 'begun', 'advanced'])
  })

  test.skipIf(noDisk !== undefined)(
    'a full disk: predictions go on, a change is refused and works later, without a restart',
    async () => {
      const { revision, rollout } = await served(gateway)
      await without(FILL, async () => {
        const refused = await change(gateway, 'rollout/abort', `"${revision}"`)
        expect([refused.status, (await json(refused)).code]).toEqual([503, 'store-unavailable'])
        await untilMoreIsAnswered()
        const now = await served(gateway)
        expect([now.revision, now.rollout.phase]).toEqual([revision, rollout.phase])
      })
      expect((await act(gateway, 'rollout/pause')).status).toBe(200)
      expect(await newest(gateway)).toMatchObject({ kind: 'paused', actor: 'operator' })
    },
  )

  test('afterwards the record is whole', async () => {
    expect((await act(gateway, 'rollout/abort')).status).toBe(200)
    expect(await untilOver(gateway)).toMatchObject({ outcome: 'aborted' })
    await expectWholeRecord(gateway)
    expect(troubles(load.seen())).toEqual({})
  })
})
