/**
 * What may be done to the bytes of a connection, by the names and attributes of Shopify's toxiproxy
 * (https://github.com/Shopify/toxiproxy, README), so that either can stand in for the other. Times in ms.
 */
const ATTRIBUTES = {
  /** Each packet comes `latency` +- `jitter` later. */
  latency: ['latency', 'jitter'],
  /** At most `rate` kB/s. */
  bandwidth: ['rate'],
  /** The end of the connection comes `delay` later. */
  slow_close: ['delay'],
  /** Nothing goes through; the connection is closed after `timeout`, or never where that is 0. */
  timeout: ['timeout'],
  /** The connection is reset after `timeout`. */
  reset_peer: ['timeout'],
  /** Packets are cut into pieces of `average_size` +- `size_variation` bytes, `delay` us apart. */
  slicer: ['average_size', 'size_variation', 'delay'],
  /** The connection is closed after so many bytes. */
  limit_data: ['bytes'],
} as const

export type ToxicType = keyof typeof ATTRIBUTES
export type Stream = 'upstream' | 'downstream'

export interface Toxic {
  name: string
  type: ToxicType
  /** From the client to the upstream, or back. */
  stream: Stream
  /** The share of connections that it is on, 0 to 1. */
  toxicity: number
  attributes: Record<string, number>
}

/** What the API answers with 400 or 409. */
export class ToxicError extends Error {
  override name = 'ToxicError'
  readonly status: number

  constructor(message: string, status = 400) {
    super(message)
    this.status = status
  }
}

/** A toxic from JSON; what is not given is as toxiproxy has it, or as it is in `known`. Throws ToxicError. */
export function toxicOf(json: unknown, known?: Toxic): Toxic {
  if (typeof json !== 'object' || json === null) throw new ToxicError('missing required field: type')
  const { name, type, stream, toxicity, attributes = {} } = { ...known, ...(json as Partial<Toxic>) }
  if (typeof type !== 'string' || !Object.hasOwn(ATTRIBUTES, type)) throw new ToxicError('invalid toxic type')
  const direction = stream ?? 'downstream'
  if (direction !== 'upstream' && direction !== 'downstream')
    throw new ToxicError('stream was invalid, can be either upstream or downstream')
  const share = toxicity ?? 1
  if (typeof share !== 'number' || share < 0 || share > 1)
    throw new ToxicError(`toxicity: expected a number from 0 to 1, got ${JSON.stringify(share)}`)
  const values: Record<string, number> = Object.fromEntries(ATTRIBUTES[type].map((key) => [key, 0]))
  for (const [key, value] of Object.entries({ ...known?.attributes, ...attributes })) {
    if (!Object.hasOwn(values, key))
      throw new ToxicError(`${key}: not an attribute of ${type}, which has ${ATTRIBUTES[type].join(', ')}`)
    if (typeof value !== 'number' || !(value >= 0))
      throw new ToxicError(`${key}: expected a number from 0 on, got ${JSON.stringify(value)}`)
    values[key] = value
  }
  return {
    name: name ?? `${type}_${direction}`,
    type,
    stream: direction,
    toxicity: share,
    attributes: values,
  }
}
