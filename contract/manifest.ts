import { crossCheck } from './manifest-check.ts'
import { type Manifest, manifestSchema } from './manifest-schema.ts'
import {
  checkValue,
  describeProblems,
  type FileProblem,
  parseStrictYaml,
  type StrictYaml,
} from './strict-yaml.ts'

export {
  DATATYPES,
  type Datatype,
  DEFAULT_MAX_LENGTH,
  elementsPerRow,
  type Field,
  type Manifest,
  manifestSchema,
  namedFiles,
  type Output,
} from './manifest-schema.ts'

/** A version folder that cannot be used; the message has one line for every problem. */
export class ManifestError extends Error {
  readonly file: string
  readonly problems: FileProblem[]

  constructor(file: string, problems: FileProblem[]) {
    super(describeProblems(file, problems))
    this.name = 'ManifestError'
    this.file = file
    this.problems = problems
  }
}

/** Reads a model.yaml. `file` is its name in messages. Throws ManifestError with every problem found. */
export function parseManifest(yamlText: string, file: string): Manifest {
  return sound(parseStrictYaml(yamlText, manifestSchema), file)
}

/** A manifest from JSON, as a worker serves it. `source` is its name in messages. Throws ManifestError. */
export function parseManifestObject(value: unknown, source: string): Manifest {
  return sound(checkValue(value, manifestSchema), source)
}

function sound(read: StrictYaml<Manifest>, file: string): Manifest {
  if (!read.ok) throw new ManifestError(file, read.problems)
  const problems = crossCheck(read.value).map(({ path, expected, found }) =>
    read.problemAt(path, expected, found),
  )
  if (problems.length > 0) throw new ManifestError(file, problems)
  return read.value
}
