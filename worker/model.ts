import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compileEncoder, type Encoder } from '@coalmine/contract/encode.ts'
import type { Golden } from '@coalmine/contract/golden.ts'
import type { Manifest } from '@coalmine/contract/manifest.ts'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import type { Reference } from '@coalmine/contract/reference.ts'
import type { Engine } from './engine.ts'
import type { ExplainerSettings } from './explain/explainer.ts'
import { externalFiles } from './external-data.ts'
import { openSession } from './ort-session.ts'
import { probeRecord } from './probe-record.ts'
import { batchRowsMax, signatureProblems } from './signature.ts'
import { openThread } from './thread-engine.ts'
import { chooseThreading, type ThreadingChoice, type ThreadingSetting, type Timing } from './threading.ts'
import { warmUp } from './warm-up.ts'

/** A version that is loaded, fits its manifest and is warm. */
export type Model = {
  manifest: Manifest
  digest: string
  engine: Engine
  encode: Encoder
  golden: Golden[]
  reference?: Reference
  choice: ThreadingChoice
  timings: Timing[]
  /** What explanations of it are opened with. */
  explainer: ExplainerSettings
}

export type ModelSettings = {
  modelsRoot: string
  model: string
  version: string
  threading: ThreadingSetting
}

/**
 * Loads and warms a version. Rejects with one Error whose message names what does not fit.
 * `onLost` is called when a thread with the model ends by itself.
 */
export async function openModel(
  { modelsRoot, model, version, threading }: ModelSettings,
  onLost: (reason: string) => void,
): Promise<Model> {
  const folder = await loadModelFolder(modelsRoot, model, version)
  const { path, manifest, digest, golden, background, reference } = folder
  const encode = compileEncoder(manifest.inputs)
  const file = join(path, manifest.file)
  const outputNames = manifest.outputs.map(({ name }) => name)
  const inThread = () => openThread({ path: file, outputNames }, onLost)

  const named = manifest.externalData ?? []
  const unnamed = externalFiles(await readFile(file)).filter((name) => !named.includes(name))
  if (unnamed.length > 0)
    throw new Error(
      `${manifest.file} keeps weights in ${unnamed.map((name) => JSON.stringify(name)).join(', ')}, which model.yaml should name under externalData as files of the folder: the digest covers what is named`,
    )

  let engine = await (threading === 'thread' ? inThread() : openSession(file, outputNames))
  const problems = signatureProblems(manifest, engine.inputs, engine.outputs)
  if (problems.length > 0) {
    await engine.close()
    throw new Error(`model.yaml and ${manifest.file} disagree: ${problems.join('; ')}`)
  }

  const records = golden.length > 0 ? golden.map(({ record }) => record) : [probeRecord(manifest.inputs)]
  const rowsOf = (rows: number) =>
    encode(Array.from({ length: rows }, (_, row) => records[row % records.length]!))
  const rowsMax = Math.min(manifest.batching.maxBatchSize, batchRowsMax(engine.inputs))
  const timings = await warmUp(
    (inputs) => engine.run(inputs),
    rowsOf,
    rowsMax,
    () => performance.now(),
  )
  const choice = chooseThreading(threading, timings, rowsMax)
  if (choice.threading === 'thread' && threading === 'auto') {
    await engine.close()
    engine = await inThread()
    await engine.run(rowsOf(1))
  }
  const explainer: ExplainerSettings = {
    ...{ path: file, manifest, probes: records },
    background:
      background === undefined
        ? { file: manifest.golden ?? 'none', records }
        : { file: manifest.explain!.background!, records: background },
  }
  const served = { manifest, digest, golden, ...(reference && { reference }) }
  return { ...served, engine, encode, choice, timings, explainer }
}
