import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { json, ROOT, until } from '../e2e/gateway-process.ts'
import { startLoad } from '../e2e/rollout-load.ts'
import { untilPhase } from '../e2e/rollout-record.ts'
import { faultOf } from '../faults/fault.ts'
import { startStage } from '../stage/stage.ts'
import { startBrowser } from './browser.ts'

/** `npm run screenshots`: every page at two widths, light and dark, into `test/console/screenshots/`. */

const FOLDER = join(ROOT, 'test/console/screenshots')
const SIZES = { wide: { width: 1440, height: 900 }, narrow: { width: 390, height: 844 } }
const POLICY = `
steps:
  - { mirror: { percent: 50 }, minDuration: 25s, proof: 0.3 }
  - { setWeight: 5, minDuration: 5s, proof: 0.3 }
  - { setWeight: 25, minDuration: 40s, proof: 0.15 }
  - { setWeight: 50, minDuration: 10s, requiresApproval: true }
risk: { falseRollback: 1%, falsePromotion: 5% }
guardrails:
  - { metric: error_rate, tolerate: 0.1pp, margin: 2pp, share: 0.3 }
  - metric: latency
    quantiles: [p50]
    tolerate: { relative: 25%, atLeast: 1ms }
    margin: { relative: 75%, atLeast: 4ms }
    share: 0.4
  - { metric: score_distribution, distance: ks, tolerate: 0.2, margin: 0.3, share: 0.3 }
signals: [{ metric: rejected_rate, tolerate: 0.1pp, margin: 2pp }]
progressDeadline: 30m
`

mkdirSync(FOLDER, { recursive: true })
const browser = await startBrowser()
const stage = await startStage({ canary: '1.1.0', policy: POLICY })
const load = startLoad(stage.gateway)
const origin = `http://127.0.0.1:${stage.gateway.ports.admin}`
const at = (hash: string) => `${origin}/console/${hash}`

/** One scene in every size and colour. */
async function shoot(name: string, hash: string, prepare: (page: Page) => Promise<void> = async () => {}) {
  for (const [size, viewport] of Object.entries(SIZES))
    for (const colorScheme of ['light', 'dark'] as const) {
      const context = await browser.newContext({ viewport, colorScheme, reducedMotion: 'reduce' })
      const page = await context.newPage()
      await page.goto(at(hash))
      await page.locator('h1, dialog').first().waitFor()
      await page.locator('.connection.live').waitFor()
      await prepare(page)
      await page.screenshot({ path: join(FOLDER, `${name}-${size}-${colorScheme}.png`), fullPage: true })
      await context.close()
    }
  console.log(name)
}

async function pause(): Promise<void> {
  const { headers } = await stage.gateway.admin('/api/v1/models/churn/rollout')
  await stage.gateway.admin('/api/v1/models/churn/rollout/pause', {
    method: 'POST',
    headers: { 'if-match': headers.get('etag')! },
    json: { reason: 'lunch' },
  })
}

try {
  await shoot('overview-steady', '')
  await shoot('start', '#/models/churn', async (page) => {
    await page.getByRole('button', { name: 'Try a version' }).click()
    await page.locator('dialog select').selectOption('1.1.0')
    await page.locator('.plan').waitFor()
  })
  await until(() => load.seen().answered > 1_000)
  await stage.startRollout('better recall')
  await untilPhase(stage.gateway, 'mirroring')
  const asked = load.seen().answered
  await until(() => load.seen().answered > asked + 1_500)
  await shoot('mirror', '#/models/churn', (page) => page.locator('[role=meter]').first().waitFor())
  await untilPhase(stage.gateway, 'stepping')
  await until(async () => (await stage.gateway.model()).rollout?.phase.step === 2)
  const { answered } = load.seen()
  await until(() => load.seen().answered > answered + 2_000)
  await shoot('overview-rollout', '', (page) => page.locator('.why-list li').first().waitFor())
  await shoot('rollout', '#/models/churn', (page) => page.locator('.guardrail .figure svg').first().waitFor())
  await shoot('weight', '#/models/churn', (page) =>
    page.getByRole('button', { name: 'Set the share' }).click(),
  )
  await shoot('versions', '#/models/churn/versions', async (page) => {
    await page.getByRole('button', { name: 'Predict' }).click()
    await page.locator('.answer pre').first().waitFor()
  })
  await pause()
  await shoot('overview-paused', '', (page) => page.locator('.why-list li').first().waitFor())
  await shoot('paused', '#/models/churn')
  await shoot('lost', '#/models/churn', async (page) => {
    await page.route('**/api/v1/**', (route) => route.abort())
    await page.reload()
    await page.locator('.banner').waitFor()
  })
  stage.proxies.canary.fault = faultOf({ kind: 'errors', rate: 0.2 })
  await until(async () => (await stage.gateway.model()).rollout === null)
  stage.proxies.canary.fault = { kind: 'none' }
  await shoot('rolled-back', '#/models/churn', (page) => page.locator('.record li').first().waitFor())
  await shoot('overview-rolled-back', '', (page) => page.locator('.last').waitFor())
  await shoot('decisions', '#/models/churn/decisions')
  const { decisions } = await json(await stage.gateway.admin('/api/v1/models/churn/decisions'))
  const id = decisions.find(({ kind }: { kind: string }) => kind === 'rolled-back').id
  await shoot('decision', `#/models/churn/decisions/${id}`)
  stage.gateway.writePolicy('stage', POLICY.replace('tolerate: 0.1pp', 'tolerat: 0.1pp'))
  await shoot('policies', '#/policies')
  await shoot('sign-in', '#/policies', async (page) => {
    await page.evaluate("sessionStorage.setItem('coalmine-token', 'none')")
    await page.route('**/api/v1/**', (route) =>
      route.fulfill({ status: 401, json: { code: 'token-expired', detail: 'the token has expired' } }),
    )
    await page.reload()
    await page.getByRole('alert').waitFor()
  })
} finally {
  await load.stop()
  await stage.close()
  await browser.close()
}
