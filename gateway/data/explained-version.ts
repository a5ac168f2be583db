import { verify } from '@coalmine/contract/prediction-id.ts'
import type { DataPlane } from './data-plane.ts'
import type { ModelRoute, Served } from './route.ts'

/** Whose explanation is asked for, or why nobody can give it: a 422 for the id, a 404 for a version that is gone. */
export type ExplainedVersion =
  | { kind: 'version'; served: Served }
  | { kind: 'refused'; status: 404 | 422; error: string }

/**
 * The version that predicted where a prediction is named, else the one that the path pins, else stable. Another version
 * would explain a number that nobody was given.
 */
export function explainedVersion(
  plane: DataPlane,
  route: ModelRoute,
  pin: string | undefined,
  predictionId: string | undefined,
): ExplainedVersion {
  if (predictionId === undefined)
    return { kind: 'version', served: pin === undefined ? route.served('stable') : route.versions.get(pin)! }
  const id = verify(predictionId, new Map([[plane.idKey.id, plane.idKey]]))
  if (!id.ok) return refused(422, ID_FAULTS[id.error])
  for (const served of route.versions.values()) {
    if (served.fingerprint !== id.fields.fingerprint) continue
    if (pin !== undefined && pin !== served.version)
      return refused(422, `it was predicted by version '${served.version}', and the path pins '${pin}'`)
    if (!route.endpoints.loaded(served.version))
      return refused(404, `version '${served.version}', which predicted, is not loaded any more`)
    return { kind: 'version', served }
  }
  return refused(404, `it was predicted by no version of '${route.model}' that is still known`)
}

const ID_FAULTS = {
  malformed: 'it is no prediction id',
  unknown_key: 'it is signed with a key that is not known here',
  forged: 'it is not signed by this gateway',
}

function refused(status: 404 | 422, why: string): ExplainedVersion {
  return { kind: 'refused', status, error: `prediction_id: ${why}` }
}
