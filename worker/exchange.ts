/** Why a body could not be read: over the limit, or the client went away in the middle of it. */
export type BodyFault = 'too large' | 'gone'

/**
 * One request and its answer, without saying where they come from: a Node connection on the hot path,
 * a fetch Request in tests. Exactly one `answer` ends it.
 */
export interface Exchange {
  header(name: string): string | undefined
  /** Calls back once. A body over the limit is noticed while it is read, not after. */
  body(bytesMax: number, done: (body: Buffer | BodyFault) => void): void
  /** The client has left; nobody reads an answer. */
  gone(): boolean
  /** `headers` is flat: name, value, name, value. The length is added here. */
  answer(status: number, headers: string[], body: string): void
}
