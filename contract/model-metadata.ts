import type { Manifest } from './manifest.ts'
import { type OipDatatype, oipDatatype } from './tensor.ts'

interface TensorMetadata {
  name: string
  datatype: OipDatatype
  shape: number[]
}

/** The protocol's $metadata_model_response. */
export interface ModelMetadata {
  name: string
  versions: string[]
  platform: string
  inputs: TensorMetadata[]
  outputs: TensorMetadata[]
  properties: Record<string, string>
}

export interface ServedVersions {
  /** Those that a client can pin. */
  versions: readonly string[]
  /** The digest of the version that the manifest describes. */
  digest?: string
}

/** The metadata of a version; -1 stands for the number of rows. */
export function modelMetadata(manifest: Manifest, { versions, digest }: ServedVersions): ModelMetadata {
  const { provenance } = manifest
  const properties = {
    version: manifest.version,
    digest,
    description: manifest.description,
    mlflow_run_id: provenance?.mlflowRunId,
    training_data: provenance?.trainingData?.name,
    training_data_sha256: provenance?.trainingData?.sha256,
    git_commit: provenance?.gitCommit,
    trained_at: provenance?.trainedAt,
    framework: provenance?.framework,
  }
  return {
    name: manifest.name,
    versions: [...versions],
    platform: manifest.platform,
    inputs: manifest.inputs.map(({ name, type, shape }) => ({
      name,
      datatype: oipDatatype(type),
      shape: [-1, ...(shape?.length ? shape : [1])],
    })),
    outputs: manifest.outputs.map(({ name, type, shape }) => ({
      name,
      datatype: oipDatatype(type),
      shape: [-1, ...(shape ?? [])],
    })),
    properties: Object.fromEntries(
      Object.entries(properties).filter(([, value]) => value !== undefined),
    ) as Record<string, string>,
  }
}
