import { setTimeout as delay } from 'node:timers/promises'
import { NoVerdict } from '../report.ts'

export const CONSOLES = 50
export const SCRAPES_PER_S = 10

/** What those who watched were told, so that nobody takes silence for cheapness. */
export interface Watched {
  /** Pieces of the event stream, over all consoles; a running rollout tells each of them one a second. */
  pieces: number
  scrapes: number
}

/** Consoles at a model's page, which read it anew at each event, and the record at each decision, and a scraper, until `signal`. */
export async function watch(
  { adminPort, metricsPort, model }: { adminPort: number; metricsPort: number; model: string },
  signal: AbortSignal,
): Promise<Watched> {
  const api = `http://127.0.0.1:${adminPort}/api/v1`
  const seen: Watched = { pieces: 0, scrapes: 0 }
  const ask = async (url: string) => {
    const response = await fetch(url, { signal })
    if (!response.ok) throw new NoVerdict(`${url} answered ${response.status}: ${await response.text()}`)
    return response
  }
  const read = async (url: string) => (await ask(url)).arrayBuffer()
  const pages = ['/models', `/models/${model}/rollout`, `/models/${model}/rollout/charts`]
  const record = `/models/${model}/decisions?limit=8`
  const text = new TextDecoder()
  const open = async () => {
    const { body } = await ask(`${api}/events`)
    for await (const piece of body!) {
      seen.pieces++
      const isRecorded = /^event: decision$/m.test(text.decode(piece))
      await Promise.all([...pages, ...(isRecorded ? [record] : [])].map((page) => read(api + page)))
    }
  }
  const scrape = async () => {
    for (;;) {
      await Promise.all([
        read(`http://127.0.0.1:${metricsPort}/metrics`),
        delay(1000 / SCRAPES_PER_S, undefined, { signal }),
      ])
      seen.scrapes++
    }
  }
  const ended = (error: Error) => {
    if (!signal.aborted) throw error
  }
  await Promise.all([...Array.from({ length: CONSOLES }, () => open().catch(ended)), scrape().catch(ended)])
  return seen
}

/** Throws a NoVerdict for a round in which they were not told, at a second's pace, what they should have been told. */
export function checkTold({ pieces, scrapes }: Watched, seconds: number): void {
  const [piecesMin, scrapesMin] = [CONSOLES * seconds * 0.5, SCRAPES_PER_S * seconds * 0.5]
  if (pieces < piecesMin || scrapes < scrapesMin)
    throw new NoVerdict(
      `${CONSOLES} consoles heard ${pieces} pieces and ${scrapes} scrapes came in ${seconds} s: expected at least ${piecesMin} and ${scrapesMin}`,
    )
}
