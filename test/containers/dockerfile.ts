import { readFileSync } from 'node:fs'
import { DockerfileParser, type JSONInstruction, type PropertyInstruction } from 'dockerfile-ast'

/** One instruction after a FROM. */
export interface Step {
  keyword: string
  flags: Readonly<Record<string, string>>
  /** Words; the elements where the instruction is written as a JSON list. */
  words: readonly string[]
  /** Whether it is written as a JSON list: no shell between the engine and the program. */
  exec: boolean
  /** Everything after the flags, with continued lines joined. */
  text: string
}

export interface Stage {
  name: string
  image: string
  steps: readonly Step[]
}

/** The stages of a Dockerfile in the order written. */
export function readDockerfile(path: string): Stage[] {
  const stages: (Stage & { steps: Step[] })[] = []
  for (const instruction of DockerfileParser.parse(readFileSync(path, 'utf8')).getInstructions()) {
    const keyword = instruction.getKeyword()
    const written = instruction.getArguments().map((argument) => argument.getValue())
    if (keyword === 'FROM') {
      stages.push({ image: written[0]!, name: written[2] ?? '', steps: [] })
      continue
    }
    const text = instruction.getArgumentsContent() ?? ''
    // HEALTHCHECK is no JSONInstruction of the parser; its list comes after the word CMD.
    const list = jsonList(keyword === 'HEALTHCHECK' ? text.replace(/^CMD\s+/, '') : text)
    const flags = 'getFlags' in instruction ? (instruction as JSONInstruction).getFlags() : []
    const properties =
      'getProperties' in instruction
        ? (instruction as unknown as PropertyInstruction).getProperties()
        : undefined
    stages.at(-1)?.steps.push({
      keyword,
      flags: Object.fromEntries(flags.map((flag) => [flag.getName(), flag.getValue() ?? ''])),
      words: list ?? properties?.map((p) => `${p.getName()}=${p.getValue() ?? ''}`) ?? written,
      exec: list !== undefined,
      text,
    })
  }
  return stages
}

/** The steps of one kind, in order. */
export function stepsOf(stage: Stage, keyword: string): readonly Step[] {
  return stage.steps.filter((step) => step.keyword === keyword)
}

/** What ENV sets, by name. */
export function environmentOf(stage: Stage): Record<string, string> {
  return Object.fromEntries(
    stepsOf(stage, 'ENV').flatMap(({ words }) => words.map((word) => splitOnce(word, '='))),
  )
}

/** `a=b=c` as `['a', 'b=c']`. */
function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

function jsonList(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
