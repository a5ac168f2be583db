/** Everything that one data process has counted since it began, and how it is now; control adds the processes up. */
export interface Snapshot {
  arms: ArmCounts[]
  responses: { model: string; version: string; code: string; count: number }[]
  unrouted: { reason: string; count: number }[]
  /** What the recordings of rollouts could not keep, and the seconds that they marked, by model. */
  recordings: { model: string; unrecorded: number; dropped: number; stalledSeconds: number }[]
  /** Truths that clients sent, by what became of them. */
  feedback: { model: string; result: string; count: number }[]
  /** What the truths said of the answers. */
  truths: TruthCounts[]
  inFlight: number
  /** Of those endpoints alone that there are now. */
  endpoints: EndpointCounts[]
  /** Of those versions alone that have an endpoint now. */
  secondAttempts: SecondAttemptCounts[]
  /** Choices of an endpoint that ignored health, as too few were left; by model. */
  panics: { model: string; count: number }[]
  explanations: ExplanationCounts[]
  mirrored: MirrorCounts[]
  /** Of those that are configured now. */
  clients: ClientCounts[]
  /** Predictions that the log took, and those that it dropped. */
  predictionLog: { written: number; dropped: number }
  /** Of traces; `failed` did not arrive, `dropped` were one too many. */
  spans: { exported: number; failed: number; dropped: number }
  process: ProcessCounts
}

/** One endpoint as one data process sees it: how it is, and counts since it is known there. */
export interface EndpointCounts {
  model: string
  version: string
  /** Its id. */
  endpoint: string
  /** Attempts that wait for it or are under way. */
  inFlight: number
  /** How many may be under way. */
  limit: number
  waiting: number
  /** 1 while it is left out for its failures, else 0. */
  ejected: number
  ejections: number
  linkCalls: number
  linkRows: number
  deadCalls: number
}

/** Second attempts in a budget, by the version that was asked. */
export interface SecondAttemptCounts {
  model: string
  version: string
  made: number
  /** By the budget. */
  refused: number
}

/** Explanations by the version that gave them, since the process began. */
export interface ExplanationCounts {
  model: string
  version: string
  /** By status; 499 where the client left. */
  codes: Record<string, number>
  /** Questions for those that were asked for earlier, likewise. */
  fetches: Record<string, number>
  latencyBuckets: number[]
  latencySumSeconds: number
}

/** Copies of one model's requests, by what became of them, since the process began. */
export interface MirrorCounts {
  model: string
  results: Record<string, number>
}

/** Requests of one client, by what became of them at the entrance. */
export interface ClientCounts {
  /** Its name. */
  client: string
  admitted: number
  /** More than its rate allows. */
  limited: number
  /** Of those admitted: for a model that it may not ask. */
  forbidden: number
}

/** One data process: how it is, and counts since it began. */
export interface ProcessCounts {
  /** Of clients. */
  connections: number
  /** Connections that were one too many. */
  droppedConnections: number
  /** Index in `LEVELS` of gateway/data/overload.ts. */
  overloadLevel: number
  /** Predictions refused for overload. */
  shed: number
  loopDelayP99Ms: number
  /** Used, of the heap that there may be: 0 to 1. */
  heapShare: number
  droppedLogLines: number
}

/** First attempts by the arm that was drawn. Pinned requests are an arm of their own: `pinned`. */
export interface ArmCounts {
  model: string
  version: string
  arm: string
  outcomes: Record<string, number>
  latencyBuckets: number[]
  latencySumSeconds: number
  scoreBuckets: number[]
  scoreSum: number
  scoreRange?: [number, number]
}

/** Truths that were accepted, by the arm and version that had answered. */
export interface TruthCounts {
  model: string
  version: string
  arm: string
  right: number
  wrong: number
  /** From the prediction to the truth: when it was observed where the client says so, else when it came. */
  delayBuckets: number[]
  delaySumSeconds: number
}
