import { compileEncoder } from '@coalmine/contract/encode.ts'
import type { Field, Manifest, Output } from '@coalmine/contract/manifest.ts'
import { DATATYPES, type Datatype } from '@coalmine/contract/manifest-schema.ts'
import type { Engine, TensorSignature } from '@coalmine/worker/engine.ts'
import { CommandError } from '../exit-code.ts'
import type { MlModel } from './mlmodel.ts'

/** What a version takes, read from its ONNX file and the columns of its signature. Throws a CommandError that names a tensor. */
export function draftedInputs({ inputs }: Pick<Engine, 'inputs'>, { columns }: MlModel): Field[] {
  return inputs.map((tensor) => fieldOf(tensor, columns, inputs.length === 1))
}

/**
 * What it gives, as it answers one record: converters leave some shapes of outputs out. Throws a CommandError that names a
 * tensor.
 */
export async function draftedOutputs(
  engine: Engine,
  inputs: readonly Field[],
  record: Record<string, unknown>,
): Promise<Pick<Manifest, 'outputs' | 'score'>> {
  const row = await engine.run(compileEncoder(inputs)([record]))
  const outputs = engine.outputs.map((tensor, o): Output => {
    const elements = row[o]!.length
    const rest = tensor.shape.slice(1).filter((size) => typeof size === 'number')
    const isWhole = rest.length === tensor.shape.length - 1 && rest.reduce((a, b) => a * b, 1) === elements
    const shape = isWhole && rest.length > 0 ? rest : [elements]
    return {
      name: tensor.name,
      type: tensor.type as Datatype,
      ...(shape.length === 1 && shape[0] === 1 ? {} : { shape }),
    }
  })
  const score = scoreOf(outputs)
  return { outputs, ...(score && { score }) }
}

/** Throws a CommandError for a classifier whose answers are maps. */
export function checkOutputs({ outputs }: Pick<Engine, 'outputs'>): void {
  const untensored = outputs.find(({ type }) => !isDatatype(type))
  if (untensored === undefined) return
  throw new CommandError(
    `output ${untensored.name}: expected a tensor, found ${untensored.type}; export the classifier with zipmap off (skl2onnx: options={'zipmap': False})`,
  )
}

function fieldOf(
  { name, type, shape }: TensorSignature,
  columns: MlModel['columns'],
  isOnly: boolean,
): Field {
  if (!isDatatype(type))
    throw new CommandError(`input ${name}: expected a tensor of ${DATATYPES.join(', ')}, found ${type}`)
  const rest = shape.slice(1)
  const open = rest.find((size) => typeof size !== 'number')
  if (shape.length === 0 || open !== undefined)
    throw new CommandError(
      `input ${name}: expected a shape of [rows, numbers...], found [${shape.join(', ')}]`,
    )
  const sizes = rest as number[]
  const isScalar = sizes.reduce((product, size) => product * size, 1) === 1 && sizes.length <= 1
  const column = columns.find((one) => one.name === name)
  const mayBeNull = column?.required === false && ['float32', 'float64', 'string'].includes(type)
  const said =
    isOnly && columns.length > 1 && !isScalar
      ? `In this order: ${columns.map((one) => one.name).join(', ')}`
      : undefined
  return {
    name,
    type,
    ...(isScalar ? {} : { shape: sizes }),
    ...(mayBeNull && { nullable: true }),
    ...(said !== undefined && { description: said.slice(0, 9_000) }),
  }
}

/** The chance of the second of two classes, which is what is compared unless somebody says better. */
function scoreOf(outputs: readonly Output[]): Manifest['score'] {
  const chances = outputs.find(
    ({ name, type, shape }) => /prob/i.test(name) && type.startsWith('float') && shape?.[0] === 2,
  )
  return chances === undefined ? undefined : { output: chances.name, index: 1, range: [0, 1] }
}

function isDatatype(type: string): type is Datatype {
  return (DATATYPES as readonly string[]).includes(type)
}
