import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Gateway } from '../e2e/gateway-process.ts'
import { barriersOf, complaintsOf, startBrowser } from './browser.ts'

const TOKENS = {
  vera: 'the-token-of-vera-who-looks-on-only',
  ann: 'the-token-of-ann-who-may-do-all',
  old: 'the-token-of-somebody-who-had-one',
}
const sha256 = (token: string) => createHash('sha256').update(token).digest('hex')
const MODELS = '  digits: { initial: 1.0.0, runtime: process }\n'
const account = (name: keyof typeof TOKENS, role: string, more = '') =>
  `    ${name}: { role: ${role}, sha256: ${sha256(TOKENS[name])}${more} }\n`
const ANN = account('ann', 'admin')
const VERA = account('vera', 'viewer')
const OLD = account('old', 'admin', ', expires: 2020-01-01T00:00:00Z')

let browser: Browser
let gateway: Gateway
let context: BrowserContext
let page: Page
let complaints: string[]

beforeAll(async () => {
  execFileSync('sh', ['console/ready.sh'])
  browser = await startBrowser()
  gateway = await Gateway.start({ models: `${MODELS}access:\n  tokens:\n${ANN}${VERA}${OLD}` })
})
afterAll(async () => {
  await gateway?.dispose()
  await browser?.close()
})
beforeEach(async () => {
  context = await browser.newContext({ reducedMotion: 'reduce' })
  page = await context.newPage()
  complaints = complaintsOf(page, `http://127.0.0.1:${gateway.ports.admin}`)
  await page.goto(`http://127.0.0.1:${gateway.ports.admin}/console/`)
})
afterEach(async () => {
  expect(complaints).toEqual([])
  await context.close()
})

async function signIn(token: string): Promise<void> {
  await page.getByLabel('Token').fill(token)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

test('a token is asked for, refused when it is wrong, and forgotten with the tab', async () => {
  expect(await page.getByRole('alert').count()).toBe(0)
  await signIn('wrong')
  await page.getByRole('alert').getByText('The token is not known here.').waitFor()
  expect(await barriersOf(page)).toEqual([])
  await signIn(TOKENS.ann)
  await page.getByRole('heading', { name: 'digits' }).waitFor()
  await page.getByText('ann, admin').waitFor()
  expect(await page.evaluate('localStorage.length')).toBe(0)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByText('You are signed out.').waitFor()
  await page.reload()
  await page.getByLabel('Token').waitFor()
})

test('a token that has expired is told so', async () => {
  await signIn(TOKENS.old)
  await page.getByRole('alert').getByText('The token has expired.').waitFor()
})

test('a viewer sees everything, and nothing to press that would be refused', async () => {
  await signIn(TOKENS.vera)
  await page.getByText('vera, viewer').waitFor()
  await page.getByRole('link', { name: 'digits' }).click()
  await page.getByText('As viewer you look on; changes take the role operator.').waitFor()
  expect(await page.locator('.actions button, .brake').count()).toBe(0)
  await page.getByRole('link', { name: 'Versions' }).click()
  await page.getByText('To try takes the role operator.').waitFor()
  expect(await page.getByRole('button', { name: 'Predict' }).isDisabled()).toBe(true)
  expect(await barriersOf(page)).toEqual([])
})

test('a token that is taken back ends what it opened, and whoever comes next goes on at the same place', async () => {
  await signIn(TOKENS.vera)
  await page.getByRole('link', { name: 'digits' }).click()
  await page.getByText('1.0.0 answers everything.').waitFor()
  gateway.edit((text) => text.replace(VERA, ''))
  await page.getByRole('alert').getByText('The token is not known here.').waitFor()
  await signIn(TOKENS.ann)
  await page.getByText('1.0.0 answers everything.').waitFor()
  await page.getByText('ann, admin').waitFor()
})
