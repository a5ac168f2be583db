/** What one data process writes of its predictions, and where. */
export interface PredictionLogSettings {
  /** Absolute. */
  readonly folder: string
  /** Part of the predictions that is written, in basis points. */
  readonly sampleBp: number
  /** A file is closed when it is so large or so old. */
  readonly fileBytes: number
  readonly fileMs: number
  /** Files that stay in the folder, of all data processes together. */
  readonly keep: number
  /** Lines that may wait for the disk; beyond them they are dropped. */
  readonly queueBytes: number
  /** The records that were sent; not written where undefined. */
  readonly instances?: {
    readonly omit: readonly string[]
    readonly hash: readonly string[]
    /** Keyed, so that nobody can try values until their hash fits. In base64; empty where nothing is hashed. */
    readonly key: string
  }
}
