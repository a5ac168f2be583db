import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compileEncoder } from '@coalmine/contract/encode.ts'
import { type Manifest, parseManifest } from '@coalmine/contract/manifest.ts'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { modelNameProblem, versionProblem } from '@coalmine/contract/names.ts'
import type { Problem } from '@coalmine/contract/problem.ts'
import { compileRecord } from '@coalmine/contract/record.ts'
import type { Engine } from '@coalmine/worker/engine.ts'
import { externalFiles } from '@coalmine/worker/external-data.ts'
import { compileRowWriter } from '@coalmine/worker/json-rows.ts'
import { openSession } from '@coalmine/worker/ort-session.ts'
import { probeRecord } from '@coalmine/worker/probe-record.ts'
import { stringify } from 'yaml'
import { CommandError, EXIT } from '../exit-code.ts'
import { checkOutputs, draftedInputs, draftedOutputs } from './drafted-manifest.ts'
import { exampleRecords } from './input-example.ts'
import { lineageOf, type Registered, registeredVersion } from './lineage.ts'
import { type MlModel, parseMlModel, plainName } from './mlmodel.ts'
import type { ModelUri } from './model-uri.ts'
import type { TrackingClient } from './tracking-client.ts'

const MIB = 1024 * 1024
const MLMODEL_BYTES_MAX = MIB
const MODEL_BYTES_MAX = 2048 * MIB
const EXTERNAL_BYTES_MAX = 16_384 * MIB
const SIDE_BYTES_MAX = 64 * MIB
const GOLDEN_MAX = 100
/** What a training script may log beside the model: taken as it is. */
const SIDE_FILES = { golden: 'golden.jsonl', reference: 'reference.json', card: 'model-card.md' } as const

export interface ImportSettings {
  readonly modelsFolder: string
  /** In place of the registry's. */
  readonly name?: string | undefined
  readonly version?: string | undefined
  /** Tell the registry which version of ours this one has become. */
  readonly tag?: boolean | undefined
  /** What is wrong with a version in a models folder; undefined when a worker would serve it. */
  readonly fault: (modelsFolder: string, model: string, version: string) => Promise<string | undefined>
}

export interface Imported {
  readonly model: string
  readonly version: string
  readonly folder: string
  readonly registryVersion: string
  readonly goldenRecords: number
  /** What a person should look at. */
  readonly notes: readonly string[]
}

/** Fetches a registered version and makes it one of ours: checked as a whole before it is there. */
export async function importModel(
  client: TrackingClient,
  uri: ModelUri,
  settings: ImportSettings,
): Promise<Imported> {
  const registered = await registeredVersion(client, uri)
  const model = named(settings.name ?? registered.name, modelNameProblem, '--name')
  const version = named(settings.version ?? registered.version, versionProblem, '--version')
  const folder = join(settings.modelsFolder, model, version)
  if (await stat(folder).catch(() => undefined))
    throw new CommandError(`${folder} is there already: versions do not change; name another by --version`)
  // A models folder of its own, on the same disk: what is not whole is never among the others.
  const staging = join(settings.modelsFolder, `.import-${process.pid}`)
  const staged = join(staging, model, version)
  await mkdir(staged, { recursive: true })
  try {
    const { goldenRecords, notes } = await fill(client, registered, { staged, model, version })
    const fault = await settings.fault(staging, model, version)
    if (fault !== undefined)
      throw new CommandError(
        `version ${registered.version} of '${registered.name}' cannot be served: ${fault}`,
      )
    await mkdir(join(settings.modelsFolder, model), { recursive: true })
    await rename(staged, folder)
    if (settings.tag) await tag(client, registered, { modelsFolder: settings.modelsFolder, model, version })
    return { ...{ model, version, folder, goldenRecords, notes }, registryVersion: registered.version }
  } finally {
    await rm(staging, { recursive: true, force: true })
  }
}

/** Throws a CommandError where the registry takes none; what was imported stays. */
async function tag(
  client: TrackingClient,
  { name, version: registryVersion }: Registered,
  { modelsFolder, model, version }: { modelsFolder: string; model: string; version: string },
): Promise<void> {
  const { digest } = await loadModelFolder(modelsFolder, model, version)
  const tags = { 'coalmine.model': model, 'coalmine.version': version, 'coalmine.digest': digest }
  try {
    for (const [key, value] of Object.entries(tags)) await client.tag(name, registryVersion, key, value)
  } catch (error) {
    throw new CommandError(`${model} ${version} is imported, and not tagged: ${(error as Error).message}`)
  }
}

function named(text: string, problemOf: (text: string) => string | undefined, flag: string): string {
  const problem = problemOf(text)
  if (problem === undefined) return text
  throw new CommandError(`'${text}' cannot be used here: ${problem}; give another by ${flag}`, EXIT.usage)
}

async function fill(
  client: TrackingClient,
  registered: Registered,
  { staged, model, version }: { staged: string; model: string; version: string },
): Promise<Pick<Imported, 'goldenRecords' | 'notes'>> {
  const at = [registered.name, registered.version] as const
  const text = await client.text(...at, 'MLmodel', MLMODEL_BYTES_MAX)
  if (text === undefined)
    throw new CommandError(`version ${registered.version} of '${registered.name}' has no MLmodel file`)
  const mlModel = parseMlModel(text)
  const artifacts = [{ path: 'MLmodel', bytes: Buffer.byteLength(text), sha256: sha256(text) }]
  const fetch = async (path: string, name: string, bytesMax: number) => {
    const fetched = await client.file(...at, path, { target: join(staged, name), bytesMax })
    if (fetched !== undefined) artifacts.push({ path, ...fetched })
    return fetched
  }
  const file = await fetch(mlModel.file, 'model.onnx', MODEL_BYTES_MAX)
  if (file === undefined)
    throw new CommandError(`version ${registered.version} of '${registered.name}' has no ${mlModel.file}`)
  const externalData = await externalNames(join(staged, 'model.onnx'))
  for (const name of externalData)
    if ((await fetch(name, name, EXTERNAL_BYTES_MAX)) === undefined)
      throw new CommandError(
        `version ${registered.version} of '${registered.name}' has no ${name}, in which ${mlModel.file} keeps weights`,
      )
  const sides: Partial<Record<keyof typeof SIDE_FILES, string>> = {}
  for (const [key, name] of Object.entries(SIDE_FILES))
    if (await fetch(name, name, SIDE_BYTES_MAX)) sides[key as keyof typeof SIDE_FILES] = name
  const example = mlModel.example && (await client.text(...at, mlModel.example, SIDE_BYTES_MAX))
  const engine = await opened(join(staged, 'model.onnx'))
  try {
    const { records, ...contract } = await contractOf(engine, mlModel, example)
    const notes = [...notesOf(contract, mlModel)]
    let goldenRecords = 0
    if (sides.golden === undefined && records.length > 0) {
      await writeFile(join(staged, SIDE_FILES.golden), await goldenText(engine, contract, records))
      sides.golden = SIDE_FILES.golden
      goldenRecords = records.length
      notes.push(
        'golden.jsonl holds what the imported file answers to the input example; the training framework’s own answers are better',
      )
    } else if (sides.golden === undefined)
      notes.push('no golden records: log the model with an input_example, or golden.jsonl beside it')
    const provenance = await lineageOf(client, registered, artifacts, mlModel.mlflowVersion)
    const manifest: Record<string, unknown> = {
      ...{ name: model, version, platform: 'onnxruntime_onnx', file: 'model.onnx', sha256: file.sha256 },
      ...(externalData.length > 0 && { externalData }),
      ...{ ...contract, ...sides, provenance },
    }
    const yaml = stringify(manifest)
    parseManifest(yaml, 'model.yaml')
    await writeFile(join(staged, 'model.yaml'), yaml)
    return { goldenRecords, notes }
  } finally {
    await engine.close()
  }
}

/** Files with weights of the model: beside it, and none that has a meaning of its own. */
async function externalNames(path: string): Promise<string[]> {
  let names: string[]
  try {
    names = externalFiles(await readFile(path))
  } catch (error) {
    throw new CommandError(`the model is no ONNX file: ${(error as Error).message}`)
  }
  for (const name of names) {
    if (OWN_FILES.has(plainName(name, 'the weights of the model')))
      throw new CommandError(
        `the weights of the model lie in ${name}, a name that Coalmine has for another file`,
      )
  }
  return names
}

const OWN_FILES: ReadonlySet<string> = new Set([
  ...['model.yaml', 'model.onnx', 'MLmodel'],
  ...Object.values(SIDE_FILES),
])

async function opened(path: string): Promise<Engine> {
  try {
    const signatures = await openSession(path, [])
    checkOutputs(signatures)
    const names = signatures.outputs.map(({ name }) => name)
    await signatures.close()
    return await openSession(path, names)
  } catch (error) {
    if (error instanceof CommandError) throw error
    throw new CommandError(`ONNX Runtime cannot load the model: ${(error as Error).message.split('\n')[0]}`)
  }
}

type Contract = Pick<Manifest, 'inputs' | 'outputs' | 'score'>

async function contractOf(engine: Engine, mlModel: MlModel, example: string | undefined) {
  const inputs = draftedInputs(engine, mlModel)
  const validate = compileRecord(inputs)
  const isValid = (record: Record<string, unknown>) => {
    const problems: Problem[] = []
    validate(record, [], problems)
    return problems.length === 0
  }
  const records = (example === undefined ? [] : exampleRecords(example, inputs))
    .filter(isValid)
    .slice(0, GOLDEN_MAX)
  const probe = records[0] ?? probeRecord(inputs)
  const given = await draftedOutputs(engine, inputs, probe).catch((error: Error) => {
    throw new CommandError(
      `the model does not answer ${records.length > 0 ? 'its input example' : 'a made-up record'}: ${error.message.split('\n')[0]}${records.length > 0 ? '' : '; log it with an input_example'}`,
    )
  })
  return { inputs, ...given, records }
}

async function goldenText(
  engine: Engine,
  { inputs, outputs }: Contract,
  records: readonly Record<string, unknown>[],
) {
  const encode = compileEncoder(inputs)
  const write = compileRowWriter(outputs)
  let text = ''
  for (const record of records) {
    const answer = JSON.parse(`{${write(await engine.run(encode([record])), 0)}}`)
    text += `${JSON.stringify({ record, outputs: answer })}\n`
  }
  return text
}

function* notesOf({ inputs, score }: Contract, { columns }: MlModel): Generator<string> {
  yield 'model.yaml was drafted from the ONNX file and the signature: add ranges, enums and descriptions, so that bad requests are told'
  if (score === undefined) yield 'no score was found: name one in model.yaml, or rollouts compare no scores'
  const extra = columns.filter(
    ({ name }) => inputs.length > 1 && !inputs.some((input) => input.name === name),
  )
  if (extra.length > 0)
    yield `columns of the signature that the ONNX file does not take: ${extra.map(({ name }) => name).join(', ')}`
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
