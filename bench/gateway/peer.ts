import type { Child } from '../children.ts'
import { NoVerdict } from '../report.ts'
import { answer, CANARY, STABLE } from './echo-upstream.ts'

/** A server that is asked for predictions, of the model itself or of what stands before it. */
export interface Peer {
  name: string
  url: string
  server: Child
  headers?: Readonly<Record<string, string>>
  /** What its body is made of a prediction's; as it is where absent. */
  wrap?: (body: string) => string
  /** Not pinned to a core. */
  anywhere?: boolean
}

/** Of 400 requests at 5 % none to the canary is a chance of 1 in 800 million. */
const SPLIT_REQUESTS = 400

/** Throws NoVerdict unless the peer passes on the answer of one of the two upstreams, byte for byte. */
export async function assertAnswers(peer: Peer, rows = 1): Promise<void> {
  const text = await ask(peer, rows)
  if (text !== answer(STABLE, rows) && text !== answer(CANARY, rows))
    throw new NoVerdict(`${peer.name} does not pass on the upstream's answer, but says: ${text}`)
}

/** Throws NoVerdict when one of the upstreams gets nothing. */
export async function assertSplits(peer: Peer, rows = 1): Promise<void> {
  const texts = new Set<string>()
  for (let i = 0; i < SPLIT_REQUESTS && texts.size < 2; i++) texts.add(await ask(peer, rows))
  if (texts.size !== 2) throw new NoVerdict(`${peer.name} gives its canary nothing: that is another task`)
}

async function ask({ name, url, headers, wrap }: Peer, rows: number): Promise<string> {
  const body = JSON.stringify({ instances: Array.from({ length: rows }, () => ({})) })
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: wrap?.(body) ?? body,
  })
  const text = await response.text()
  if (response.status !== 200) throw new NoVerdict(`${name} answers ${response.status}: ${text}`)
  return text
}
