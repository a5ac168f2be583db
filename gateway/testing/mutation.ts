import { seededRandom } from '@coalmine/core/routing/random.ts'

/** What makes a head or a body something else. */
const PIECES = [
  ...['\r\n', '\n', '\r', ' ', '\t', ':', ',', '0', '-', '+', ';', '\0', '\x7f', '\xff'],
  ...['chunked', 'Host: g\r\n', 'Content-Length: 3\r\n', 'Transfer-Encoding: chunked\r\n', 'HTTP/1.1'],
]

/** Texts of HTTP that are almost one of the samples. Prints its seed; `SEED` chooses it. */
export function almost(samples: readonly string[]): () => string {
  const seed = process.env.SEED ?? `${Date.now()}`
  console.log(`seed ${seed}`)
  const random = seededRandom(Buffer.from(seed.padEnd(16, '.').slice(0, 16)))
  const draw = (below: number) => random() % below
  return () => {
    let text = samples[draw(samples.length)]!
    for (let i = draw(3); i >= 0; i--) {
      const at = draw(text.length + 1)
      const piece = PIECES[draw(PIECES.length)]!
      const cut = draw(3) === 0 ? draw(4) : 0
      text = text.slice(0, at) + (draw(4) === 0 ? '' : piece) + text.slice(at + cut)
    }
    return text
  }
}
