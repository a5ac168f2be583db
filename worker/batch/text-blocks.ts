import { type BatchError, permanent } from './batch-error.ts'

/** Whole records of a text, without its header. */
export interface TextBlock {
  readonly bytes: Buffer
  readonly rows: number
  /** From 0, in the file. */
  readonly firstRow: number
}

/** A quote that is never closed would swallow the rest of the file. */
const RECORD_BYTES_MAX = 16 * 1024 * 1024
const LF = 0x0a
const CR = 0x0d
const QUOTE = 0x22

/**
 * Cuts a stream into blocks of so many records, the last one with what is left. Records end at line ends that stand in no
 * quotes (CSV), or at all (JSON lines); empty lines are none. The first record of a CSV is its header and is given apart.
 *
 * @param delimiter between the columns of a CSV; undefined for JSON lines
 * @param onHeader called with the bytes of the header, before the first block
 */
export async function* textBlocks(
  stream: AsyncIterable<Buffer>,
  {
    path,
    rowsPerBlock,
    delimiter,
    onHeader,
  }: { path: string; rowsPerBlock: number; delimiter?: string; onHeader?: (bytes: Buffer) => void },
): AsyncGenerator<TextBlock> {
  const quoted = delimiter !== undefined
  const between = delimiter?.charCodeAt(0)
  let held: Buffer[] = []
  let heldBytes = 0
  let rows = 0
  let firstRow = 0
  let recordBytes = 0
  let isBlank = true
  let inQuotes = false
  /** A quote within quotes: the end, or half of a quote that is meant. */
  let wasQuote = false
  let before = LF
  let awaitsHeader = onHeader !== undefined
  let isFirst = true

  const taken = (): Buffer => {
    const bytes = Buffer.concat(held, heldBytes)
    held = []
    heldBytes = 0
    return bytes
  }
  const hold = (part: Buffer) => {
    if (part.length === 0) return
    held.push(part)
    heldBytes += part.length
  }
  const block = (): TextBlock => {
    const made = { bytes: taken(), rows, firstRow }
    firstRow += rows
    rows = 0
    return made
  }

  for await (const packet of stream) {
    const chunk = isFirst ? withoutMark(packet, path) : packet
    isFirst = false
    let from = 0
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!
      if (quoted) {
        if (wasQuote) {
          wasQuote = false
          if (byte === QUOTE) {
            before = byte
            continue
          }
          inQuotes = false
        } else if (byte === QUOTE) {
          if (inQuotes) {
            wasQuote = true
            continue
          }
          // Within a field that began without one it is a character like any other.
          if (before === between || before === LF || before === CR) inQuotes = true
        }
        before = byte
        if (inQuotes) {
          isBlank = false
          if (++recordBytes > RECORD_BYTES_MAX) throw tooLong(path, firstRow + rows)
          continue
        }
      }
      if (byte !== LF) {
        // In a CSV blanks are a value.
        if (byte !== CR && (quoted || (byte !== 0x20 && byte !== 0x09))) isBlank = false
        if (++recordBytes > RECORD_BYTES_MAX) throw tooLong(path, firstRow + rows)
        continue
      }
      if (!isBlank) rows++
      isBlank = true
      recordBytes = 0
      if (rows === 1 && awaitsHeader) {
        hold(chunk.subarray(from, i + 1))
        from = i + 1
        onHeader!(taken())
        awaitsHeader = false
        rows = 0
      } else if (rows === rowsPerBlock) {
        hold(chunk.subarray(from, i + 1))
        from = i + 1
        yield block()
      }
    }
    hold(chunk.subarray(from))
  }
  if (!isBlank) rows++
  if (awaitsHeader) {
    if (rows === 0) throw permanent(`${path}: expected a header with the names of the columns, found nothing`)
    onHeader!(taken())
    rows = 0
  }
  // A file without rows is a part without rows, so that whoever reads the output finds its columns.
  if (rows > 0 || firstRow === 0) yield block()
}

function withoutMark(packet: Buffer, path: string): Buffer {
  if (packet[0] === 0xef && packet[1] === 0xbb && packet[2] === 0xbf) return packet.subarray(3)
  const [a, b] = packet
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff))
    throw permanent(`${path}: expected UTF-8, found UTF-16; convert it first`)
  if (a === 0x1f && b === 0x8b)
    throw permanent(
      `${path}: expected text, found gzip; a packed file has a name that ends with .gz, and standard input is unpacked before`,
    )
  return packet
}

function tooLong(path: string, row: number): BatchError {
  return permanent(
    `${path}: row ${row + 1} is longer than ${RECORD_BYTES_MAX / 1024 / 1024} MiB; is a quote not closed?`,
  )
}
