import type { Manifest } from '@coalmine/contract/manifest.ts'
import { CommandError } from '../exit-code.ts'
import type { ModelUri } from './model-uri.ts'
import type { TrackingClient } from './tracking-client.ts'

type Provenance = NonNullable<Manifest['provenance']>
type Json = Record<string, unknown>

/** Of one registered version: fixed, whatever its alias points at later. */
export interface Registered {
  readonly name: string
  readonly version: string
  readonly alias?: string
  readonly runId?: string
}

/** Looks an alias up, once. Throws a CommandError for what is not there or not ready. */
export async function registeredVersion(
  client: TrackingClient,
  { name, version, alias }: ModelUri,
): Promise<Registered> {
  const answer =
    alias !== undefined
      ? await client.call('registered-models/alias', { name, alias })
      : await client.call('model-versions/get', { name, version: version! })
  const found = objectOf(answer?.model_version)
  const wanted = alias !== undefined ? `alias '${alias}'` : `version ${version}`
  if (found === undefined || typeof found.version !== 'string')
    throw new CommandError(`the registry has no ${wanted} of model '${name}'`)
  const { status, status_message: why } = found
  if (typeof status === 'string' && status !== 'READY')
    throw new CommandError(
      `version ${found.version} of '${name}' is ${status}, not READY${typeof why === 'string' ? `: ${why}` : ''}`,
    )
  return {
    ...{ name, version: found.version },
    ...(alias !== undefined && { alias }),
    ...(typeof found.run_id === 'string' && found.run_id !== '' && { runId: found.run_id }),
  }
}

/** Where it came from: the run with its parameters, metrics and data, as far as the registry still knows it. */
export async function lineageOf(
  client: TrackingClient,
  { name, version, alias, runId }: Registered,
  artifacts: NonNullable<Provenance['mlflow']>['artifacts'],
  mlflowVersion: string | undefined,
): Promise<Provenance> {
  const run =
    runId === undefined ? undefined : objectOf((await client.call('runs/get', { run_id: runId }))?.run)
  const [info, data, inputs] = [objectOf(run?.info), objectOf(run?.data), objectOf(run?.inputs)]
  const tags = new Map(pairs(data?.tags))
  const endMs = Number(info?.end_time ?? info?.start_time)
  const gitCommit = tags.get('mlflow.source.git.commit')
  const experimentId = info?.experiment_id
  return {
    ...(runId !== undefined && { mlflowRunId: runId }),
    ...(gitCommit && { gitCommit }),
    ...(endMs > 0 && { trainedAt: new Date(endMs).toISOString() }),
    mlflow: {
      ...{ model: name, version },
      ...(alias !== undefined && { alias }),
      ...(typeof experimentId === 'string' && experimentId !== '' && { experimentId }),
      ...(mlflowVersion !== undefined && { mlflowVersion }),
      params: Object.fromEntries(pairs(data?.params)),
      metrics: Object.fromEntries(
        listOf(data?.metrics).flatMap(({ key, value }) =>
          typeof key === 'string' && Number.isFinite(value) ? [[key, value as number]] : [],
        ),
      ),
      datasets: listOf(inputs?.dataset_inputs).flatMap((input) => datasetOf(input) ?? []),
      artifacts,
      importedAt: new Date().toISOString(),
    },
  }
}

/** A path or an address, without credentials; some sources are whole documents. */
const SOURCE = /^[^\s{@?]{1,500}$/

function datasetOf({ dataset, tags }: Json) {
  const { name, digest, source } = objectOf(dataset) ?? {}
  if (typeof name !== 'string' || name === '' || typeof digest !== 'string' || digest === '') return undefined
  const context = new Map(pairs(tags)).get('mlflow.data.context')
  return {
    ...{ name, digest },
    ...(typeof source === 'string' && SOURCE.test(source) && { source }),
    ...(context && { context }),
  }
}

function pairs(list: unknown): [string, string][] {
  return listOf(list).flatMap(({ key, value }) =>
    typeof key === 'string' && typeof value === 'string' ? [[key, value] as [string, string]] : [],
  )
}

function listOf(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'object' && one !== null) : []
}

function objectOf(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined
}
