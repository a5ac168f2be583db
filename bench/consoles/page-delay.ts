import type { Page } from 'playwright-core'
import { startBrowser } from '../../test/console/browser.ts'
import { NoVerdict } from '../report.ts'

/**
 * Times from a person's change to the page that shows it, in ms: the share of a canary is set anew and anew, and a real browser at
 * the model's page waits for its DOM to have it. A change is of the instant that the record has for it, just before its commit: this
 * process, which may be busy with the other consoles, would read the answer late. Both clocks are the machine's.
 */
export async function pageDelays(adminPort: number, model: string, changes: number): Promise<number[]> {
  const browser = await startBrowser().catch((error: Error) => {
    throw new NoVerdict(error.message)
  })
  try {
    const page = await browser.newPage()
    await page.goto(`http://127.0.0.1:${adminPort}/console/#/models/${model}`)
    await page.locator('.connection.live').waitFor()
    await page.locator('.share-words').waitFor()
    const delays: number[] = []
    for (let i = 0; i < changes; i++) {
      const weightPercent = 1 + (i % 40)
      const shown = shownAt(page, `${weightPercent} %`)
      const changedMs = await setWeight(adminPort, model, weightPercent)
      delays.push((await shown) - changedMs)
    }
    return delays
  } finally {
    await browser.close()
  }
}

/** @returns when the page first says this of the canary's share, in ms since 1970 */
function shownAt(page: Page, share: string): Promise<number> {
  // The text of a function for the browser: it has no types of here, nor has this of there.
  return page.evaluate(`new Promise((resolve) => {
    const observer = new MutationObserver(look)
    function look() {
      const words = document.querySelector('.share-words span:last-child b')?.textContent
      if (words !== ${JSON.stringify(share)}) return
      observer.disconnect()
      resolve(performance.timeOrigin + performance.now())
    }
    observer.observe(document.body, { subtree: true, childList: true, characterData: true })
    look()
  })`)
}

/** @returns when it was decided, in ms since 1970 */
async function setWeight(adminPort: number, model: string, weightPercent: number): Promise<number> {
  const path = `http://127.0.0.1:${adminPort}/api/v1/models/${model}`
  const { headers } = await fetch(`${path}/rollout`)
  const response = await fetch(`${path}/rollout/weight`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', 'if-match': headers.get('etag')! },
    body: JSON.stringify({ weightPercent, reason: 'a benchmark' }),
  })
  if (!response.ok) throw new NoVerdict(`the share was not set: ${await response.text()}`)
  const record = (await (await fetch(`${path}/decisions?limit=1`)).json()) as { decisions: [{ at: string }] }
  return Date.parse(record.decisions[0].at)
}
