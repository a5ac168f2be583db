import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { ARRIVALS, type Arrivals } from './arrivals.ts'
import { customers } from './customers.ts'
import { type LoadPlan, openLoop } from './open-loop.ts'
import { newTally } from './tally.ts'

const HELP = `Asks a churn model about customers at a steady rate, whatever the answers do.

  node test/demo/load.ts --url http://127.0.0.1:8080/v1/models/churn:predict --rps 200 --seconds 60

  --url URL           where requests are posted to
  --rps N             requests a second, up to 10000
  --seconds N         for how long, up to 3600
  --arrivals KIND     even or poisson [poisson]
  --in-flight N       what is due while so many are in flight is left out [1000]
  --timeout-ms N      what takes longer has failed [10000]
  --seed TEXT         which customers come, and when [drawn]

Prints one JSON line a second, {"second", ...counts of what ended in it}, and at last {"total", "seed"}. An
interrupt ends the load early, with its total.
`

const BAD_SETTINGS = 2

type Settings = Omit<LoadPlan, 'next' | 'onEnd' | 'signal'>

function settingsOrExit(): Settings {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: 'string', default: '' },
        rps: { type: 'string', default: '' },
        seconds: { type: 'string', default: '' },
        arrivals: { type: 'string', default: 'poisson' },
        'in-flight': { type: 'string', default: '1000' },
        'timeout-ms': { type: 'string', default: '10000' },
        seed: { type: 'string', default: randomUUID() },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) {
      process.stdout.write(HELP)
      process.exit(0)
    }
    const number = (name: 'rps' | 'seconds' | 'in-flight' | 'timeout-ms', max: number): number => {
      const value = Number(values[name])
      if (values[name] === '' || !(value > 0 && value <= max))
        throw new Error(`--${name}: expected a number above 0 and up to ${max}, got "${values[name]}"`)
      return value
    }
    if (!URL.canParse(values.url) || new URL(values.url).protocol !== 'http:')
      throw new Error(
        `--url: expected one such as http://127.0.0.1:8080/v1/models/churn:predict, got "${values.url}"`,
      )
    if (!ARRIVALS.includes(values.arrivals as Arrivals))
      throw new Error(`--arrivals: expected ${ARRIVALS.join(' or ')}, got "${values.arrivals}"`)
    return {
      url: values.url,
      requestsPerS: number('rps', 10_000),
      durationMs: number('seconds', 3600) * 1000,
      arrivals: values.arrivals as Arrivals,
      inFlightMax: number('in-flight', 100_000),
      timeoutMs: number('timeout-ms', 600_000),
      seed: values.seed,
    }
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`)
    process.exit(BAD_SETTINGS)
  }
}

function print(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

const settings = settingsOrExit()
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())
// Nobody reads any more: the load has no purpose.
process.stdout.on('error', () => process.exit(0))

let second = 0
let tally = newTally()
const everySecond = setInterval(() => {
  print({ second: second++, ...tally.summary() })
  tally = newTally()
}, 1000)
const customer = customers(settings.seed)
const total = await openLoop({
  ...settings,
  next: () => ({ body: JSON.stringify({ instances: [customer().record] }) }),
  onEnd: (ended) => tally.add(ended),
  signal: interrupted.signal,
})
clearInterval(everySecond)
print({ total, seed: settings.seed })
