export interface BenchArguments {
  /** Undefined: list the benchmarks. */
  name: string | undefined
  quick: boolean
  jsonFile: string | undefined
  /** What random draws derive from; undefined: the benchmark's own choice. */
  seed: string | undefined
}

export class ArgumentsError extends Error {
  override name = 'ArgumentsError'
}

/** `NAME [--quick] [--seed TEXT] [--json FILE]`. Throws an ArgumentsError with one clear sentence. */
export function parseArguments(args: readonly string[], names: readonly string[]): BenchArguments {
  const parsed: BenchArguments = { name: undefined, quick: false, jsonFile: undefined, seed: undefined }
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!
    if (arg === '--quick') parsed.quick = true
    else if (arg === '--json')
      parsed.jsonFile = textAfter(args[++i], '--json needs the file to write: --json FILE.')
    else if (arg === '--seed')
      parsed.seed = textAfter(args[++i], '--seed needs a text to draw from: --seed TEXT.')
    else if (arg.startsWith('-'))
      throw new ArgumentsError(
        `"${arg}" is not a flag of bench; there are --quick, --seed TEXT and --json FILE.`,
      )
    else if (parsed.name !== undefined)
      throw new ArgumentsError(`One benchmark at a time: "${parsed.name}" or "${arg}".`)
    else if (!names.includes(arg))
      throw new ArgumentsError(`There is no benchmark "${arg}"; there are ${names.join(', ')}.`)
    else parsed.name = arg
  }
  if (parsed.name === undefined && args.length > 0)
    throw new ArgumentsError(`Which benchmark? There are ${names.join(', ')}.`)
  return parsed
}

function textAfter(arg: string | undefined, sentence: string): string {
  if (arg === undefined || arg.startsWith('--')) throw new ArgumentsError(sentence)
  return arg
}
