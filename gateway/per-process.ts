import type { ClientAccess } from './config/access.ts'
import type { WrittenPredictionLog } from './config/prediction-log-schema.ts'
import type { PredictionLogSettings } from './data/prediction-log/settings.ts'
import type { ListenerSettings } from './http1/settings.ts'
import type { Resilience } from './resilience.ts'

/** What one of so many data processes may have of a number: rounded up, so that nobody gets nothing of something. */
function shareOf(total: number, processes: number): number {
  return Math.ceil(total / processes)
}

/**
 * One data process's share of a model's resilience. Requests and connections are divided, as each process counts its
 * own; shares and times are the same for all, and failures in a row are too, as each sees its own row.
 */
export function perProcess(whole: Resilience, processes: number): Resilience {
  const { retries, concurrency, queue, connections } = whole
  return {
    ...whole,
    retries: { ...retries, atLeast: shareOf(retries.atLeast, processes) },
    concurrency: {
      initial: shareOf(concurrency.initial, processes),
      min: shareOf(concurrency.min, processes),
      max: shareOf(concurrency.max, processes),
    },
    queue: { ...queue, max: shareOf(queue.max, processes) },
    connections: shareOf(connections, processes),
  }
}

/** One data process's share of what clients may ask. A rate is divided as it is, with or without a rest. */
export function clientsPerProcess(whole: readonly ClientAccess[], processes: number): ClientAccess[] {
  return whole.map(({ rate, ...client }) => ({
    ...client,
    ...(rate && { rate: { perSecond: rate.perSecond / processes, burst: shareOf(rate.burst, processes) } }),
  }))
}

/** One data process's share of the connections of clients. */
export function listenerPerProcess(whole: ListenerSettings, processes: number): ListenerSettings {
  return { ...whole, connectionsMax: shareOf(whole.connectionsMax, processes) }
}

/** What every data process is told of the log; its key is in the environment alone. */
export function predictionLogSettings(
  { folder, sample, fileSize, fileAge, keep, queue, instances }: WrittenPredictionLog,
  env: { readonly COALMINE_PREDICTION_LOG_KEY?: string | undefined },
): PredictionLogSettings {
  return {
    ...{ folder, sampleBp: sample, fileBytes: fileSize, fileMs: fileAge, keep, queueBytes: queue },
    ...(instances && { instances: { ...instances, key: env.COALMINE_PREDICTION_LOG_KEY ?? '' } }),
  }
}
