import { writeFile } from 'node:fs/promises'
import { ArgumentsError, parseArguments } from './arguments.ts'
import { batch } from './batch.ts'
import { children } from './children.ts'
import { consoles } from './consoles.ts'
import { decisions } from './decisions.ts'
import { drift } from './drift.ts'
import { evidence } from './evidence.ts'
import { explain } from './explain.ts'
import { explaining } from './explaining.ts'
import { failures } from './failures.ts'
import { feedback } from './feedback.ts'
import { flags } from './flags.ts'
import { fleet } from './fleet.ts'
import { connections } from './gateway/connections.ts'
import { cores } from './gateway/cores.ts'
import { echo } from './gateway/echo.ts'
import { growth } from './gateway/growth.ts'
import { latency } from './gateway/latency.ts'
import { sizes } from './gateway/sizes.ts'
import { machineLine } from './machine.ts'
import { mirror } from './mirror.ts'
import { recording } from './recording.ts'
import { NoVerdict, numeral, type Report, tableText, verdictLine } from './report.ts'
import { rollbacks } from './rollbacks.ts'
import { routing } from './routing.ts'
import { serving } from './serving.ts'
import { soak } from './soak.ts'
import { start } from './start.ts'
import { ticks } from './ticks.ts'
import { worker } from './worker.ts'

/** `npm run bench -- NAME [--quick] [--seed TEXT] [--json FILE]`. Exit 0: all targets met; 1: one falls short; 2: no verdict. */
export interface Benchmark {
  says: string
  /**
   * @param quick fewer and shorter rounds: for trying out, not for figures to publish
   * @param seed what random draws derive from, where there are any
   */
  run(quick: boolean, seed?: string): Promise<Report>
}

const BENCHMARKS: Record<string, Benchmark> = {
  worker,
  gateway: echo,
  'gateway-sizes': sizes,
  'gateway-growth': growth,
  'gateway-cores': cores,
  'gateway-connections': connections,
  'gateway-latency': latency,
  serving,
  failures,
  consoles,
  flags,
  soak,
  start,
  routing,
  decisions,
  evidence,
  batch,
  explain,
  explaining,
  mirror,
  recording,
  drift,
  feedback,
  rollbacks,
  ticks,
  fleet,
}

for (const [signal, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  process.once(signal, () => void children.stop().then(() => process.exit(128 + number)))
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof ArgumentsError) && !(error instanceof NoVerdict)) throw error
  console.error(error.message)
  process.exitCode = 2
} finally {
  await children.stop()
}

async function main(args: string[]): Promise<number> {
  const { name, quick, jsonFile, seed } = parseArguments(args, Object.keys(BENCHMARKS))
  if (name === undefined) {
    console.log('npm run bench -- NAME [--quick] [--seed TEXT] [--json FILE]\n')
    for (const [name, { says }] of Object.entries(BENCHMARKS)) console.log(`  ${name.padEnd(21)}${says}`)
    return 0
  }
  const machine = machineLine()
  console.log(`machine: ${machine}\n`)
  const { table, notes, rows, information } = await BENCHMARKS[name]!.run(quick, seed)
  console.log(`${tableText(table)}\n`)
  for (const note of notes) console.log(note)
  for (const { name, figure, unit } of information)
    console.log(`             ${name}: ${numeral(figure)} ${unit}`)
  for (const row of rows) console.log(verdictLine(row))
  if (jsonFile !== undefined) {
    await writeFile(jsonFile, `${JSON.stringify({ bench: name, machine, rows, information }, null, 2)}\n`)
  }
  return rows.every(({ pass }) => pass) ? 0 : 1
}
