import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { TensorSignature } from './engine.ts'

type Declared = Pick<Manifest['outputs'][number], 'name' | 'type' | 'shape'>

/**
 * Where the manifest and the model file disagree, one sentence a problem, each naming the field, what the
 * manifest expects and what the file has. Empty when the two fit.
 */
export function signatureProblems(
  manifest: Pick<Manifest, 'file' | 'inputs' | 'outputs'>,
  inputs: readonly TensorSignature[],
  outputs: readonly TensorSignature[],
): string[] {
  const undeclared = inputs
    .filter(({ name }) => !manifest.inputs.some((field) => field.name === name))
    .map(
      ({ name, type }) =>
        `inputs: expected the field ${name} (${type}) that ${manifest.file} needs, found none`,
    )
  return [
    ...manifest.inputs.flatMap((field) => problemsOf('inputs', field, inputs, manifest.file)),
    ...undeclared,
    ...manifest.outputs.flatMap((output) => problemsOf('outputs', output, outputs, manifest.file)),
  ]
}

/** The largest batch the model file takes: its first dimension where that is a number, else no limit. */
export function batchRowsMax(inputs: readonly TensorSignature[]): number {
  const fixed = inputs.map(({ shape }) => shape[0]).filter((rows) => typeof rows === 'number')
  return Math.min(Infinity, ...fixed)
}

function problemsOf(
  list: 'inputs' | 'outputs',
  { name, type, shape = [] }: Declared,
  signatures: readonly TensorSignature[],
  file: string,
): string[] {
  const signature = signatures.find((each) => each.name === name)
  if (signature === undefined) {
    const names = signatures.map((each) => each.name).join(', ')
    return [`${list}.${name}: expected ${file} to have it, found only ${names}`]
  }
  const problems: string[] = []
  if (signature.type !== type)
    problems.push(`${list}.${name}: expected type ${type}, found ${signature.type}`)
  const expected = shape.length === 0 ? [1] : shape
  const [rows, ...row] = signature.shape
  // A scalar output may be [rows] as well as [rows, 1]; converters leave some output shapes out altogether.
  const lenient =
    list === 'outputs' && (signature.shape.length === 0 || (shape.length === 0 && row.length === 0))
  const rowFits =
    row.length === expected.length && row.every((size, i) => typeof size === 'string' || size === expected[i])
  const rowsFit = typeof rows === 'string' || rows === 1
  if (!lenient && !(rowFits && rowsFit)) {
    const found = signature.shape.map((size) => size || 'any').join(', ')
    problems.push(`${list}.${name}: expected shape [rows, ${expected.join(', ')}], found [${found}]`)
  }
  return problems
}
