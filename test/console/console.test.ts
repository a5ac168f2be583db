import { execFileSync } from 'node:child_process'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { json, until } from '../e2e/gateway-process.ts'
import { type Load, startLoad } from '../e2e/rollout-load.ts'
import { untilOver, untilPhase } from '../e2e/rollout-record.ts'
import { faultOf } from '../faults/fault.ts'
import { type Stage, startStage } from '../stage/stage.ts'
import { barriersOf, complaintsOf, startBrowser } from './browser.ts'

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
  await on.locator('.connection.live').waitFor()
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

/** As somebody else would, at another desk. */
async function actElsewhere(verb: string): Promise<void> {
  const { headers } = await stage.gateway.admin('/api/v1/models/churn/rollout')
  const response = await stage.gateway.admin(`/api/v1/models/churn/rollout/${verb}`, {
    method: 'POST',
    headers: { 'if-match': headers.get('etag')! },
    json: { reason: 'a test' },
  })
  expect(response.status).toBe(200)
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
  const loaded =
    "performance.getEntriesByType('resource').reduce((sum, { transferSize }) => sum + transferSize, 0)"
  expect(await page.evaluate(loaded)).toBeLessThan(300_000)
  expect(await barriersOf(page)).toEqual([])
})

test('a dialog that is opened before the versions are read waits for them', async () => {
  const read = Promise.withResolvers<void>()
  await page.route('**/api/v1/models', async (route) => {
    await read.promise
    await route.continue()
  })
  await open('#/models/churn')
  await page.getByRole('button', { name: 'Try a version' }).click()
  await page.getByText('Reading the versions…').waitFor()
  read.resolve()
  await page.locator('dialog select').selectOption('1.1.0')
  await page.locator('.plan').waitFor()
})

test('a promotion, from the planner to the approval, each change on the page by itself', async () => {
  await open('#/models/churn')
  await tryVersion('1.1.0', 'better recall')
  await page.locator('.steps .now', { hasText: 'Step 2' }).waitFor({ timeout: 60_000 })
  await page.locator('.figure svg').first().waitFor()
  expect(await barriersOf(page)).toEqual([])
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
  expect(await barriersOf(page)).toEqual([])
  await page.locator('.record a').first().click()
  await page.getByText('Replayed now').waitFor()
  expect(await barriersOf(page)).toEqual([])
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

  test('the first screen says which version is winning, why, and what happens next, without a click', async () => {
    await open()
    const card = page.getByRole('article', { name: 'churn' })
    const said = async () => (await card.ariaSnapshot()).replaceAll(/\s*(^|\n)\s*- /g, ' ')
    let text = ''
    await until(
      async () => {
        text = await said()
        return /Winning definition: (Too early|1\.)/.test(text)
      },
      () => text,
    )
    // What is served, and where the rollout is.
    expect(text).toMatch(/1\.1\.0 beside 1\.0\.0 · step 1 of 2/)
    expect(text).toMatch(/Comparing/)
    expect(text).toMatch(/1\.0\.0 80 %/)
    expect(text).toMatch(/1\.1\.0 20 %/)
    // Which version is winning, and why.
    expect(text).toMatch(
      /term: Winning definition: (Too early to tell 1\.1\.0 from 1\.0\.0|1\.1\.0 is as good as 1\.0\.0 in everything that is compared)\./,
    )
    expect(text).toMatch(/term: Why .*Error rate (Not yet|Fine) .*surely/)
    // What happens next, and what otherwise.
    expect(text).toMatch(
      /term: Next definition: "?Step 1 of 2 \(20 %\) lasts another .* at least\. Then 1\.1\.0 gets 50 %\./,
    )
    expect(text).toMatch(/worse than tolerated, it is rolled back at once/)
    // Whether anything needs a person.
    await page.getByText('Nothing needs you.').waitFor()
    expect(await barriersOf(page)).toEqual([])
    await actElsewhere('pause')
    await page.getByRole('region', { name: 'What needs a person' }).getByText('is paused: a test').waitFor()
    await until(async () =>
      /term: What to do definition: Resume, and it goes on; or abort\./.test(await said()),
    )
    await actElsewhere('resume')
    await page.getByText('Nothing needs you.').waitFor()
  })

  test('a change of which no answer comes says where to look whether it was done', async () => {
    await open('#/models/churn')
    await page.route('**/rollout/pause', (route) => route.abort())
    await page.locator('.actions').getByRole('button', { name: 'Pause' }).click()
    await answer('into the void')
    await page.getByText('whether this was done stands in the record').waitFor()
    await page.getByRole('button', { name: 'Cancel' }).click()
  })

  test('somebody else was faster: nothing is done, and it is said', async () => {
    await open('#/models/churn')
    await page.locator('.actions').getByRole('button', { name: 'Set the share' }).click()
    await actElsewhere('pause')
    await page.getByLabel('Share in percent, exactly').fill('33')
    await answer('more of it')
    await page.getByText('Somebody else was faster.').waitFor()
    expect(await barriersOf(page)).toEqual([])
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByText('Why it stands A test.').waitFor()
    expect((await stage.gateway.model()).rollout.weightPercent.canary.configured).toBe(20)
    await act('Resume', 'go on')
    await until(async () => (await stage.gateway.model()).rollout.phase.kind === 'stepping')
  })

  test('a button pressed twice acts once', async () => {
    await open('#/models/churn')
    const sent: string[] = []
    page.on('request', (request) => request.method() === 'POST' && sent.push(request.url()))
    await page.locator('.actions').getByRole('button', { name: 'Pause' }).click()
    await page.getByRole('dialog').getByLabel('Reason').fill('twice')
    // Both before anything is drawn.
    await page.locator('dialog form').evaluate((form: { requestSubmit(): void }) => {
      form.requestSubmit()
      form.requestSubmit()
    })
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(sent).toHaveLength(1)
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
    await page.locator('.connection.live').waitFor({ timeout: 60_000 })
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
    expect(await barriersOf(page)).toEqual([])
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
    expect(await barriersOf(page)).toEqual([])
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
    await open('#/policies')
    await page.getByText('Good').waitFor()
    stage.gateway.writePolicy('stage', SLOW.replace('tolerate: 1pp', 'tolerat: 1pp'))
    await page.getByText('1 at fault').waitFor()
    expect(await page.locator('.line.faulty').innerText()).toMatch(
      /tolerat: 1pp[\s\S]*did you mean "tolerate"/,
    )
    expect(await barriersOf(page)).toEqual([])
    expect((await stage.gateway.model()).rollout.phase.kind).toBe('stepping')
    await page.getByRole('link', { name: 'Overview' }).click()
    const needs = page.getByRole('region', { name: 'What needs a person' })
    await needs
      .getByText(/^The configuration is refused, and what was in force before stays: .+tolerat/)
      .waitFor()
    expect(await barriersOf(page)).toEqual([])
    stage.gateway.writePolicy('stage', SLOW)
    await page.getByText('Nothing needs you.').waitFor()
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
    expect(await barriersOf(page)).toEqual([])
  }
  await open('#/models/nothing')
  await page.getByText('There is no model nothing here.').waitFor()
})
