/** Why there is no body: over the limit, or the client went away in the middle of it. */
export type BodyFault = 'too large' | 'gone'

/**
 * One request and its answer, whatever carries them: a Node connection in production (the platform's fetch
 * objects cost more than all of routing), a fetch Request in tests. One table of cases runs through both.
 */
export interface Exchange {
  /** @param name in lower case */
  header(name: string): string | undefined
  /** Calls back exactly once. A body over the limit is noticed while it is read, and nothing of it is awaited. */
  readBody(bytesMax: number, done: (body: Buffer | BodyFault) => void): void
  /** The client has left; nobody reads an answer. */
  gone(): boolean
  /** Calls back when the client leaves after its body was read and before it is answered. */
  onGone(listener: () => void): void
  /**
   * Ends the exchange; a second answer is dropped.
   * @param headers flat: name, value, name, value; the length is added here
   */
  answer(status: number, headers: string[], body: string | Buffer): void
}
