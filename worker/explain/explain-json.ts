import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { Attribution } from './attribution.ts'
import type { Explained } from './explain-outcome.ts'
import type { ModelRecord } from './explainer.ts'
import { playersOf } from './players.ts'

/** The answer of one request to explain; see docs/explanations.md. */
export function writeExplanations(
  { explanation, attributions }: Explained,
  records: readonly ModelRecord[],
  manifest: Manifest,
  digest: string,
): string {
  const { method, link, space, output, coverSource, background } = explanation
  const runId = manifest.provenance?.mlflowRunId
  return JSON.stringify({
    explanations: attributions.map((each, i) => ({
      ...explained(manifest, output, each),
      base_value: each.base,
      value: each.sum,
      contributions: contributionsOf(manifest, records[i]!, each),
      additivity_gap: each.gap,
    })),
    output,
    method,
    link,
    ...(space && { space }),
    ...(coverSource && { cover_source: coverSource }),
    ...(background && { background }),
    model_name: manifest.name,
    model_version: manifest.version,
    parameters: { model_digest: digest, ...(runId !== undefined && { mlflow_run_id: runId }) },
  })
}

/** Which number of the output is explained; a number that stands for a class has its name. */
function explained({ outputs }: Manifest, name: string, { index, prediction }: Attribution) {
  const output = outputs.find((each) => each.name === name)
  const elements = (output?.shape ?? []).reduce((product, size) => product * size, 1)
  const labels = output?.labels ?? outputs.find(({ labels }) => labels?.length === elements)?.labels
  const label = elements > 1 ? labels?.[index] : undefined
  return { ...(elements > 1 && { index }), ...(label !== undefined && { label }), prediction }
}

/** By field, the weightiest first; a field that is a list has what each of its elements contributes too. */
function contributionsOf(
  { inputs }: Manifest,
  record: ModelRecord,
  { contributions, standardErrors }: Attribution,
) {
  const players = playersOf(inputs)
  const fields = inputs.map((input, field) => {
    const own = players.flatMap((player, i) => (player.field === field ? [i] : []))
    const elements = own.map((i) => contributions[i]!)
    const isList = (input.shape?.length ?? 0) > 0
    const errors = standardErrors && own.map((i) => standardErrors[i]!)
    return {
      feature: input.name,
      value: (Object.hasOwn(record, input.name) ? record[input.name] : null) ?? null,
      contribution: elements.reduce((sum, each) => sum + each, 0),
      ...(errors && !isList && { standard_error: errors[0] }),
      ...(isList && { elements, ...(errors && { standard_errors: errors }) }),
    }
  })
  return fields.sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
}
