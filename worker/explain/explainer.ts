import { readFile } from 'node:fs/promises'
import { compileEncoder, type Encoder } from '@coalmine/contract/encode.ts'
import { EXPLAIN_METHODS, type ExplainMethod } from '@coalmine/contract/explain.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { TensorData } from '@coalmine/contract/tensor.ts'
import type { Engine } from '../engine.ts'
import { openSession } from '../ort-session.ts'
import { type Attribution, type Explanation, GAP_MAX, gapOf } from './attribution.ts'
import { ENUMERATED_PLAYERS_MAX, enumerate, permute, type Shapley } from './coalitions.ts'
import { type Columns, columnsOf } from './columns.ts'
import { type ExplainedOutput, explainedOutput, spaceOf } from './explained-output.ts'
import { type Additive, additiveLinear, additiveTrees, type EncodedRows, onlyNode } from './margin.ts'
import { MixedRows, rowsWithin } from './mixed-rows.ts'
import { readOnnx, withOutputs } from './onnx-file.ts'
import { playersOf } from './players.ts'

export type ModelRecord = Record<string, unknown>

/** What is explained, and what is measured against. */
export type ExplainerSettings = {
  /** Of the ONNX file. */
  path: string
  manifest: Manifest
  background: { file: string; records: readonly ModelRecord[] }
  /** Records on which a method must add up before it is used. */
  probes: readonly ModelRecord[]
}

/** Explains records of one version, in whatever thread it was opened in: it blocks it. */
export interface Explainer {
  readonly explanation: Explanation
  explain(record: ModelRecord): Promise<Attribution>
}

/** More than this are no longer read by anybody, and their orders cannot be walked in any useful time. */
const PLAYERS_MAX = 1000

/**
 * The method that the manifest names, or the first that can be used: exact ones before estimates, cheap ones before
 * dear ones. Each has to add up on the probes first. Rejects with the reasons where none can.
 */
export async function openExplainer(settings: ExplainerSettings): Promise<Explainer> {
  const { manifest } = settings
  const wanted = manifest.explain?.method
  const reasons: string[] = []
  for (const method of wanted === undefined ? EXPLAIN_METHODS : [wanted]) {
    try {
      const explainer = await open(method, settings)
      // Estimates add up by construction, and one of them costs as much as hundreds of the others.
      const isDear = method === 'exact' || method === 'permutation'
      await prove(explainer, isDear ? settings.probes.slice(0, 1) : settings.probes)
      return explainer
    } catch (error) {
      reasons.push(`${method}: ${(error as Error).message}`)
    }
  }
  throw new Error(`${manifest.name} ${manifest.version} cannot be explained: ${reasons.join('; ')}`)
}

/**
 * Explains in the space of the output itself, such as probabilities, by asking the model for records that are partly the
 * background's: exactly where a record has few values, by an estimate otherwise. Hundreds of answers a record: for work that
 * nobody waits for. Rejects with the reasons where it cannot be done.
 */
export async function openInterventional(settings: ExplainerSettings): Promise<Explainer> {
  const { manifest } = settings
  const method = playersOf(manifest.inputs).length <= ENUMERATED_PLAYERS_MAX ? 'exact' : 'permutation'
  return openExplainer({ ...settings, manifest: { ...manifest, explain: { ...manifest.explain, method } } })
}

function open(method: ExplainMethod, settings: ExplainerSettings): Promise<Explainer> {
  return method === 'tree-shap' || method === 'linear'
    ? openAdditive(method, settings)
    : openGame(method, settings)
}

async function prove({ explain }: Explainer, probes: readonly ModelRecord[]): Promise<void> {
  for (const [i, probe] of probes.entries()) {
    const { gap } = await explain(probe)
    if (!(gap <= GAP_MAX))
      throw new Error(`record ${i + 1} of those checked does not add up, by ${gap.toPrecision(3)}`)
  }
}

/** By taking the sum of the last operator apart: its encoded rows are had as one more output of the graph. */
async function openAdditive(
  method: 'tree-shap' | 'linear',
  { path, manifest, background }: ExplainerSettings,
): Promise<Explainer> {
  const file = await readFile(path)
  const graph = readOnnx(file)
  const node = onlyNode(graph, method)
  const tensor = node.inputs[0]!
  const columns = columnsOf(graph, manifest.inputs, tensor)
  if (columns === undefined) throw new Error(`what '${tensor}' is made of cannot be told by its operators`)
  const outputs = manifest.outputs.map(({ name }) => name)
  // An input or an output of the graph is to be had as it is.
  const isInner = !graph.outputs.includes(tensor) && !graph.inputs.includes(tensor)
  const inner = isInner ? [tensor] : []
  const names = [...outputs, ...(graph.inputs.includes(tensor) ? [] : [tensor])]
  const session = await openSession(isInner ? withOutputs(file, inner) : path, names)
  const encode = compileEncoder(manifest.inputs)
  const run = async (records: readonly ModelRecord[]) => {
    const tensors = encode(records)
    const answers = await session.run(tensors)
    const encoded = answers[outputs.length] ?? tensors.find(({ name }) => name === tensor)!.data
    return { answers, encoded: numbersOf(encoded) }
  }
  const { encoded } = await run(background.records)
  const width = encoded.length / background.records.length
  if (width !== columns.length)
    throw new Error(`'${tensor}' has ${width} columns, and its operators tell of ${columns.length}`)
  const rows: EncodedRows = { values: encoded, columns: width }
  const additive: Additive = method === 'tree-shap' ? additiveTrees(node, rows) : additiveLinear(node, rows)
  const explained = explainedOutput(manifest)
  const players = playersOf(manifest.inputs).length
  const measures = additive.coverSource !== 'nodes_hitrates'
  return {
    explanation: {
      ...{ method, link: additive.link, output: explained.name },
      ...(additive.coverSource && { coverSource: additive.coverSource }),
      ...(measures && { background: { file: background.file, rows: background.records.length } }),
    },
    async explain(record) {
      const { answers, encoded } = await run([record])
      const data = answers[explained.position]!
      const index = explained.indexOf(data, 0)
      const { base, contributions, sum, linked } = additive.explain(encoded, index)
      const prediction = Number(data[index])
      const gap = gapOf(base, contributions, sum, linked, prediction)
      return { index, prediction, base, sum, contributions: byPlayer(contributions, columns, players), gap }
    },
  }
}

function byPlayer(contributions: Float64Array, columns: Columns, players: number): Float64Array {
  const sums = new Float64Array(players)
  for (let i = 0; i < columns.length; i++) sums[columns[i]!]! += contributions[i]!
  return sums
}

/** By asking the model, whatever it is made of, for records that are partly the background's. */
async function openGame(
  method: 'exact' | 'permutation',
  { path, manifest, background }: ExplainerSettings,
): Promise<Explainer> {
  const players = playersOf(manifest.inputs).length
  const most = method === 'exact' ? ENUMERATED_PLAYERS_MAX : PLAYERS_MAX
  if (players > most)
    throw new Error(`records have ${players} values; at most ${most} are explained in this way`)
  const explained = explainedOutput(manifest)
  const session = await openSession(path, [explained.name])
  const encode = compileEncoder(manifest.inputs)
  const records = background.records.slice(0, rowsWithin(method, players))
  const against = encode(records)
  const [usual] = await session.run(against)
  return {
    explanation: {
      ...{ method, link: 'identity', output: explained.name, space: spaceOf(manifest, usual!, explained) },
      background: { file: background.file, rows: records.length },
    },
    async explain(record) {
      const own = encode([record])
      const [data] = await session.run(own)
      const index = explained.indexOf(data!, 0)
      const mixed = new MixedRows(own, against, records.length)
      const game = averageAnswer(session, mixed, explained, index)
      const shapley: Shapley =
        method === 'exact'
          ? await enumerate(game, players)
          : await permute(game, players, seedOf(encode, record))
      const { base, contributions, standardErrors } = shapley
      const prediction = Number(data![index])
      const gap = gapOf(base, contributions, prediction, prediction, prediction)
      return {
        index,
        prediction,
        base,
        sum: prediction,
        contributions,
        gap,
        ...(standardErrors && { standardErrors }),
      }
    },
  }
}

function averageAnswer(session: Engine, mixed: MixedRows, { elements }: ExplainedOutput, index: number) {
  return async (coalitions: readonly Uint8Array[]): Promise<Float64Array> => {
    const values = new Float64Array(coalitions.length)
    const { rows } = mixed
    for (const { first, count, tensors } of mixed.chunks(coalitions)) {
      const [data] = await session.run(tensors)
      for (let i = 0; i < count * rows; i++)
        values[first + Math.floor(i / rows)]! += Number(data![i * elements + index]) / rows
    }
    return values
  }
}

/** The same record is explained with the same orders, wherever and whenever (FNV-1a of its values). */
function seedOf(encode: Encoder, record: ModelRecord): number {
  let hash = 0x811c9dc5
  for (const { data } of encode([record]))
    for (const character of Array.from(data as ArrayLike<unknown>).join())
      hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193)
  return hash >>> 0
}

function numbersOf(data: TensorData): Float64Array {
  return Float64Array.from(data as ArrayLike<number | bigint>, Number)
}
