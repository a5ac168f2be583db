import type { Affinity } from '@coalmine/core/rollout/deployment.ts'
import type { PolicyFile } from '@coalmine/policy/parse-policy.ts'
import type { Overload } from '../data/overload.ts'
import type { ListenerSettings } from '../http1/settings.ts'
import type { ModelLimits } from '../messages.ts'
import type { Resilience } from '../resilience.ts'
import type { CertificateFiles } from '../tls/certificate.ts'
import type { Access } from './access.ts'
import type { WrittenReceiver } from './notification-schema.ts'
import type { WrittenPredictionLog } from './prediction-log-schema.ts'

/** What `config/gateway.yaml`, `config/policies` and the environment say, checked and in the units of the program. */
export interface GatewayConfig {
  /** Where relative paths of the file begin: the folder that holds the file's folder. */
  readonly baseFolder: string
  readonly listen: { readonly data: Address; readonly admin: Address; readonly metrics: Address }
  /** The token of the environment is among those of the admin API. */
  readonly access: Access
  /** Undefined: in clear text. Absolute paths. */
  readonly tls: { readonly data?: CertificateFiles; readonly admin?: CertificateFiles }
  /** Of the gateway as a whole: data processes get their shares. */
  readonly listener: ListenerSettings
  readonly overload: Overload
  /** Its folder is absolute. */
  readonly predictionLog?: WrittenPredictionLog
  /** How many processes answer predictions. */
  readonly processes: number
  readonly store: StoreLocation
  /** Each with a name of its own. */
  readonly notifications: readonly WrittenReceiver[]
  /** Absolute. */
  readonly modelsFolder: string
  readonly models: Readonly<Record<string, ModelConfig>>
  /** By name; every one that a model names is there. */
  readonly policies: Readonly<Record<string, PolicyFile>>
}

/** Port 0 lets the system choose. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** `memory` forgets everything at the end: for demonstrations and tests. */
export type StoreLocation = { readonly kind: 'sqlite'; readonly path: string } | { readonly kind: 'memory' }

export interface ModelConfig {
  readonly initial: string
  readonly version?: string
  /** Undefined when `version` is reached by hand. */
  readonly policy?: string
  /** Undefined when a policy sets the weight. */
  readonly weightBp?: number
  readonly affinity?: Affinity
  readonly runtime: Runtime
  /** Workers of each version; 1 where they run elsewhere. */
  readonly replicas: number
  /** Versions that run besides stable, canary and previous. */
  readonly keep: readonly string[]
  readonly limits: Readonly<ModelLimits>
  /** Of the gateway as a whole: data processes get their shares. */
  readonly resilience: Resilience
}

/** Workers of our own, or origins (`http://churn-100:9000`) by version. */
export type Runtime =
  | { readonly kind: 'process' }
  | {
      readonly kind: 'static'
      readonly endpoints: Readonly<Record<string, readonly string[]>>
      /** Workers for the baseline arm alone, with the bytes of the version; {} when there are none. */
      readonly baseline: Readonly<Record<string, readonly string[]>>
    }
