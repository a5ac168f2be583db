import { execFileSync } from 'node:child_process'
import AxeBuilder from '@axe-core/playwright'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Gateway, json, until } from '../e2e/gateway-process.ts'
import { type Load, startLoad } from '../e2e/rollout-load.ts'
import { untilOver, untilPhase } from '../e2e/rollout-record.ts'
import { faultOf } from '../faults/fault.ts'
import { type Stage, startStage } from '../stage/stage.ts'
import { complaintsOf, startBrowser } from './browser.ts'

const POLICY = `
steps:
  - { setWeight: 20, minDuration: 1s, proof: 0.9 }
  - { setWeight: 50, minDuration: 1s, requiresApproval: true }
risk: { falseRollback: 1%, falsePromotion: 20% }
guardrails:
  - { metric: error_rate, tolerate: 1pp, margin: 20pp }
progressDeadline: 30m
keepPrevious: 1h
`
/** It stays at its first step for as long as a test may look at it. */
const SLOW = POLICY.replace('minDuration: 1s, proof: 0.9', 'minDuration: 720h, proof: 0.9').replace(
  '30m',
  '2000h',
)

let browser: Browser
let stage: Stage
let load: Load
let context: BrowserContext
let page: Page
let complaints: string[]

const origin = () => `http://127.0.0.1:${stage.gateway.ports.admin}`

async function open(hash = '', on: Page = page): Promise<void> {
  await on.goto(`${origin()}/console/${hash}`)
  await on.locator('.live.live').waitFor()
}

async function answer(reason: string, on: Page = page): Promise<void> {
  await on.getByRole('dialog').getByLabel('Reason').fill(reason)
  await on.getByRole('dialog').locator('button[type=submit]').click()
}

async function act(button: string, reason: string, on: Page = page): Promise<void> {
  await on.locator('.actions').getByRole('button', { name: button, exact: true }).click()
  await answer(reason, on)
  await on.getByRole('dialog').waitFor({ state: 'detached' })
}

async function tryVersion(version: string, reason: string): Promise<void> {
  await page.getByRole('button', { name: 'Try a version' }).click()
  await page.locator('dialog select').selectOption(version)
  await page.getByRole('dialog').getByLabel('Reason').fill(reason)
  // One objection after another is met, until there is none.
  const start = page.locator('dialog button[type=submit]')
  await until(async () => {
    for (const box of await page.locator('dialog .check input:not(:checked)').all()) await box.click()
    return start.isEnabled()
  })
  await start.click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
}

/** Nothing that stands in the way of people who do not see, hear or point as others do. */
async function expectAccessible(on: Page = page): Promise<void> {
  const { violations } = await new AxeBuilder({ page: on })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21aa'])
    .analyze()
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  expect(grave.map(({ id, nodes }) => `${id}: ${nodes[0]!.html}`)).toEqual([])
}

beforeAll(async () => {
  execFileSync('sh', ['console/ready.sh'])
  browser = await startBrowser()
  stage = await startStage({ canary: '1.1.0', policy: POLICY })
  load = startLoad(stage.gateway)
})
afterAll(async () => {
  await load?.stop()
  await stage?.close()
  await browser?.close()
})
beforeEach(async () => {
  context = await browser.newContext({ reducedMotion: 'reduce' })
  page = await context.newPage()
  complaints = complaintsOf(page, origin())
})
afterEach(async () => {
  expect(complaints).toEqual([])
  await context.close()
})

test('at first: what is served, that nothing is tried, and nothing to mend', async () => {
  await open()
  await page.getByRole('heading', { name: 'churn' }).waitFor()
  expect(await page.locator('.card.model').innerText()).toMatch(
    /Steady[\s\S]*1\.0\.0 100 %[\s\S]*3 of 3 endpoints healthy/,
  )
  await expectAccessible()
})

test('a promotion, from the planner to the approval, each change on the page by itself', async () => {
  await open('#/models/churn')
  await tryVersion('1.1.0', 'better recall')
  await page.locator('.steps .now', { hasText: 'Step 2' }).waitFor({ timeout: 60_000 })
  await page.locator('.figure svg').first().waitFor()
  await expectAccessible()
  await page.getByText('Waits for approval').first().waitFor({ timeout: 60_000 })
  await act('Approve', 'looks good to me')
  await page.getByText('1.1.0 was promoted over 1.0.0.').waitFor({ timeout: 60_000 })
  await page.getByText('looks good to me').or(page.getByText('Approved')).first().waitFor()
  await act('Back to 1.0.0', 'only a rehearsal')
  await until(async () => (await stage.gateway.model()).stable.version === '1.0.0')
})

test('a rollback: what happened, why, and what to do, on a phone', async () => {
  await page.setViewportSize({ width: 390, height: 844 })
  stage.gateway.writePolicy('stage', SLOW)
  await open('#/models/churn')
  await tryVersion('1.1.0', 'once more')
  await untilPhase(stage.gateway, 'stepping')
  stage.proxies.canary.fault = faultOf({ kind: 'errors' })
  await page.getByText('1.1.0 was rolled back; 1.0.0 answers everything.').waitFor({ timeout: 60_000 })
  stage.proxies.canary.fault = { kind: 'none' }
  const text = await page.locator('.hero').innerText()
  expect(text).toMatch(/Why [\s\S]*1\.1\.0[\s\S]*What to do/)
  // No page is wider than the phone.
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390)
  await expectAccessible()
  await page.locator('.record a').first().click()
  await page.getByText('Replayed now').waitFor()
  await expectAccessible()
})

describe('while a rollout runs', () => {
  beforeEach(async () => {
    if ((await stage.gateway.model()).rollout !== null) return
    await stage.gateway.admin('/api/v1/models/churn/rollout/retry', {
      method: 'POST',
      json: { reason: 'a test' },
    })
    await untilPhase(stage.gateway, 'stepping')
  })

  test('somebody else was faster: nothing is done, and it is said', async () => {
    await open('#/models/churn')
    await page.locator('.actions').getByRole('button', { name: 'Set the share' }).click()
    const etag = (await stage.gateway.admin('/api/v1/models/churn/rollout')).headers.get('etag')!
    const faster = await stage.gateway.admin('/api/v1/models/churn/rollout/pause', {
      method: 'POST',
      headers: { 'if-match': etag },
      json: { reason: 'I was first' },
    })
    expect(faster.status).toBe(200)
    await page.getByLabel('Share in percent, exactly').fill('33')
    await answer('more of it')
    await page.getByText('Somebody else was faster.').waitFor()
    await expectAccessible()
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByText('I was first').first().waitFor()
    expect((await stage.gateway.model()).rollout.weightPercent.canary.configured).toBe(20)
    await act('Resume', 'go on')
    await until(async () => (await stage.gateway.model()).rollout.phase.kind === 'stepping')
  })

  test('a button pressed twice acts once', async () => {
    await open('#/models/churn')
    await page.locator('.actions').getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('dialog').getByLabel('Reason').fill('twice')
    await page.getByRole('dialog').locator('button[type=submit]').dblclick()
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    const { decisions } = await json(await stage.gateway.admin('/api/v1/models/churn/decisions?limit=10'))
    expect(decisions.filter(({ reason }: { reason: string }) => reason === 'twice')).toHaveLength(1)
    await act('Resume', 'go on')
  })

  test('control is killed: the page says so, keeps what it knew, and is live again by itself', async () => {
    await open('#/models/churn')
    await page.locator('.headline').waitFor()
    const [control] = stage.gateway.children('control/main.ts')
    process.kill(control!, 'SIGKILL')
    await page.locator('.banner').waitFor()
    expect(await page.locator('.headline').innerText()).not.toBe('')
    await page.locator('.live.live').waitFor({ timeout: 60_000 })
    await page.locator('.banner').waitFor({ state: 'detached' })
  })

  test('a try on two versions side by side, with the mistakes of a record at their fields', async () => {
    await open('#/models/churn/versions')
    await page.getByRole('button', { name: 'Predict' }).click()
    await until(async () => (await page.locator('.answer').count()) === 2)
    for (const text of await page.locator('.answer').allInnerTexts()) expect(text).toMatch(/probabilities/)
    await page.getByLabel('tenure_months (months)').fill('999')
    await page.locator('form.try').evaluate((form) => form.setAttribute('novalidate', ''))
    await page.getByRole('button', { name: 'Predict' }).click()
    await until(async () => /422[\s\S]*tenure_months/.test(await page.locator('.answer').first().innerText()))
    await expectAccessible()
  })

  test('how far a version is from its training, and from stable', async () => {
    await open('#/models/churn/versions')
    await page.getByRole('heading', { name: 'Drift against training' }).waitFor()
    // The load's customers are those of training; control, which was killed before, counts anew.
    await page.getByRole('heading', { name: /^tenure_months Steady/ }).waitFor({ timeout: 60_000 })
    await page.getByText('Not measured: 1.0.0 is the stable version.').waitFor()
    await page.getByRole('button', { name: /^1\.1\.0/ }).click()
    await page.getByRole('heading', { name: /^Beside the stable version/ }).waitFor()
    await page.locator('.figure[aria-label^="tenure_months"]').first().waitFor()
    await expectAccessible()
  })

  test('the brake, from every page', async () => {
    await open('#/policies')
    await page.getByRole('button', { name: 'Brake' }).click()
    await answer('incident')
    await page.getByRole('button', { name: 'Brake is on' }).click()
    await answer('over')
    await page.getByRole('button', { name: 'Brake', exact: true }).waitFor()
  })

  test('a broken policy: the mark is at its line, and the rollout goes on by the one before', async () => {
    stage.gateway.writePolicy('stage', SLOW.replace('tolerate: 1pp', 'tolerat: 1pp'))
    await open('#/policies')
    await until(async () => {
      await page.reload()
      return (await page.locator('.line.faulty').count()) === 1
    })
    expect(await page.locator('.line.faulty').innerText()).toMatch(
      /tolerat: 1pp[\s\S]*did you mean "tolerate"/,
    )
    await expectAccessible()
    expect((await stage.gateway.model()).rollout.phase.kind).toBe('stepping')
    stage.gateway.writePolicy('stage', SLOW)
  })

  test('abort, by the keyboard alone', async () => {
    await open('#/models/churn')
    await page.locator('.actions').getByRole('button', { name: 'Abort' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').getByLabel('Reason').focus()
    await page.keyboard.type('enough')
    await page.keyboard.press('Enter')
    await untilOver(stage.gateway)
    await page.getByRole('button', { name: 'Retry 1.1.0' }).waitFor()
  })
})

test('every page in the dark, and what is not there', async () => {
  await page.emulateMedia({ colorScheme: 'dark' })
  for (const hash of [
    '',
    '#/models/churn',
    '#/models/churn/decisions',
    '#/models/churn/versions',
    '#/policies',
  ]) {
    await open(hash)
    await page.locator('main h1').first().waitFor()
    await expectAccessible()
  }
  await open('#/models/nothing')
  await page.getByText('There is no model nothing here.').waitFor()
})

test('a gateway with a token asks for it, says when it is wrong, and forgets it with the tab', async () => {
  const token = 'a-token-of-32-characters-for-test'
  const gateway = await Gateway.start({
    models: '  digits: { initial: 1.0.0, runtime: process }',
    env: { COALMINE_ADMIN_TOKEN: token },
  })
  try {
    const locked = await context.newPage()
    await locked.goto(`http://127.0.0.1:${gateway.ports.admin}/console/`)
    await locked.getByLabel('Token').fill('wrong')
    await locked.getByRole('button', { name: 'Sign in' }).click()
    await locked.getByRole('alert').waitFor()
    await expectAccessible(locked)
    await locked.getByLabel('Token').fill(token)
    await locked.getByRole('button', { name: 'Sign in' }).click()
    await locked.getByRole('heading', { name: 'digits' }).waitFor()
    expect(await locked.evaluate('localStorage.length')).toBe(0)
    await locked.getByRole('button', { name: 'Sign out' }).click()
    await locked.getByLabel('Token').waitFor()
  } finally {
    await gateway.dispose()
  }
})
