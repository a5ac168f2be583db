import { spawnSync } from 'node:child_process'
import AxeBuilder from '@axe-core/playwright'
import { type Browser, chromium, type Page } from 'playwright-core'

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome']

/** The machine's own browser: none is downloaded. Throws an Error that says how to install one. */
export async function startBrowser(): Promise<Browser> {
  const executablePath = PROGRAMS.map((name) =>
    spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim(),
  ).find((path) => path !== '')
  if (executablePath === undefined) throw new Error('these tests need Chromium: apt-get install chromium')
  // As root it has no sandbox; it sees nothing but pages of our own.
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
}

/** What a page complained of: requests that left the host, script errors, violations of its policy. */
export function complaintsOf(page: Page, origin: string): string[] {
  const complaints: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !request.url().startsWith('data:'))
      complaints.push(`a request to ${request.url()}`)
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    // What the gateway refuses, or does not answer while it is away, is told to the person.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
      complaints.push(message.text())
  })
  return complaints
}

/** What stands gravely in the way of people who do not see, hear or point as others do, as axe finds it. */
export async function barriersOf(on: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page: on })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21aa'])
    .analyze()
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  return grave.map(({ id, nodes }) => `${id}: ${nodes[0]!.html}`)
}
