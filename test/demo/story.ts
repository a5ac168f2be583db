/** The decision record as the admin API gives it, newest first. */
export interface Shown {
  readonly decisions: readonly Row[]
}

export interface Row {
  readonly kind: string
  readonly at: string
  readonly actor: string
  readonly because: string
  readonly after: { readonly revision: number; readonly weightPercent: number }
}

const WIDTH = 100
const INDENT = ' '.repeat(16)

/** Tells what happens, line by line, with the time since the beginning. */
export class Story {
  readonly #print: (line: string) => void
  readonly #beganMs = performance.now()
  #revision = 0
  #last: Row | undefined

  constructor(print: (line: string) => void) {
    this.#print = print
  }

  tell(text: string, weightPercent?: number): void {
    const seconds = Math.floor((performance.now() - this.#beganMs) / 1000)
    const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
    const weight = weightPercent === undefined ? '' : `${weightPercent} %`
    const [first, ...others] = wrapped(text, WIDTH)
    this.#print(`${time.padStart(6)}  ${weight.padStart(6)}  ${first}`)
    for (const line of others) this.#print(INDENT + line)
  }

  /** Tells the rows that were not told yet. */
  show({ decisions }: Shown): void {
    for (const row of decisions.toReversed()) {
      if (row.after.revision <= this.#revision || row.kind === 'initialised') continue
      this.#revision = row.after.revision
      this.#last = row
      this.tell(`${row.kind.replaceAll('-', ' ')}: ${row.because}`, row.after.weightPercent)
    }
  }

  /** @param total the last line of the load's program */
  end(total: string, sinceHarmMs?: number): void {
    this.#print('')
    this.tell(
      this.#last === undefined ? 'nothing was decided' : `the end: ${this.#last.kind.replaceAll('-', ' ')}`,
    )
    if (sinceHarmMs !== undefined)
      this.tell(`from the fault to a weight of 0 it took ${(sinceHarmMs / 1000).toFixed(1)} s`)
    this.tell(clients(total))
  }
}

function clients(line: string): string {
  const { total } = JSON.parse(line || '{}') as {
    total?: {
      answered: number
      byStatus: Record<string, number>
      failed: Record<string, number>
      latencyMs: { p50: number; p99: number } | null
    }
  }
  if (total === undefined) return 'the load said nothing'
  const good = total.byStatus['200'] ?? 0
  const bad = total.answered - good + Object.values(total.failed).reduce((a, b) => a + b, 0)
  const latency =
    total.latencyMs === null ? '' : `, p50 ${total.latencyMs.p50} ms, p99 ${total.latencyMs.p99} ms`
  return `clients sent ${total.answered} requests: ${good} good answers, ${bad} without one${latency}`
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
