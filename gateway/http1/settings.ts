/** What one data process grants its clients. */
export interface ListenerSettings {
  /** From the first byte of a request to the end of its headers. */
  readonly headersTimeoutMs: number
  /** From the first byte of a request to the end of its body. */
  readonly requestTimeoutMs: number
  /** Between two requests. Longer than a balancer's idle time (60 s is usual), so that the balancer closes first. */
  readonly keepAliveTimeoutMs: number
  /** For a client to take what it was sent. */
  readonly writeTimeoutMs: number
  readonly headersMax: number
  /** Of the request line and all headers. */
  readonly headerBytesMax: number
  /** Above this many a new connection is dropped: memory stays bounded, and those that are served are served well. */
  readonly connectionsMax: number
}

export const DEFAULT_LISTENER: ListenerSettings = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 75_000,
  writeTimeoutMs: 60_000,
  headersMax: 100,
  headerBytesMax: 16_384,
  connectionsMax: 10_000,
}
