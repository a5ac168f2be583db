const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPENING_SQUARE = 0x5b
const BACKSLASH = 0x5c
const CLOSING_SQUARE = 0x5d
const OPENING_CURLY = 0x7b
const CLOSING_CURLY = 0x7d
const SPACE = 0x20
const INSTANCES = Buffer.from('"instances"')

/**
 * How many records a V1 request asks for: the elements of the list under `instances` of the outermost object, the last
 * one where there are several. Counted without parsing, which would cost five times as much; the text is JSON, as somebody has answered
 * it. undefined where there is no such list, or a key is written with escapes.
 */
export function askedRows(body: Buffer): number | undefined {
  let rows: number | undefined
  let level = 0
  /** Of the newest string at level 1, with its quotes. */
  let from = 0
  let to = 0
  let isInstances = false
  let commas = 0
  let isEmpty = true
  for (let at = 0; at < body.length; at++) {
    const byte = body[at]!
    if (byte <= SPACE) continue
    if (isInstances && level === 2 && byte !== CLOSING_SQUARE) {
      isEmpty = false
      if (byte === COMMA) commas++
    }
    if (byte === QUOTE) {
      const begin = at
      let escaped = false
      for (at++; at < body.length && body[at] !== QUOTE; at++)
        if (body[at] === BACKSLASH) {
          escaped = true
          at++
        }
      if (level !== 1) continue
      from = begin
      to = escaped ? -1 : at + 1
    } else if (byte === COLON) {
      if (level !== 1) continue
      if (to < 0) return undefined
      isInstances = INSTANCES.length === to - from && INSTANCES.compare(body, from, to) === 0
      if (isInstances) rows = undefined
    } else if (byte === OPENING_CURLY || byte === OPENING_SQUARE) {
      if (++level !== 2) continue
      isInstances &&= byte === OPENING_SQUARE
      commas = 0
      isEmpty = true
    } else if (byte === CLOSING_CURLY || byte === CLOSING_SQUARE) {
      if (--level !== 1 || !isInstances) continue
      rows = isEmpty ? 0 : commas + 1
      isInstances = false
    }
  }
  return rows
}
