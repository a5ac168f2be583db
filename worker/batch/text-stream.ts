import { createReadStream } from 'node:fs'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { permanent } from './batch-error.ts'
import type { InputFile } from './input-files.ts'

const CHUNK_BYTES = 1024 * 1024

/**
 * The text of a file, unpacked where its name says gzip. Rejects with a BatchError for what is no gzip or was cut off.
 *
 * @param onBytes told of the file's bytes as they are read
 */
export async function* textStream(
  { path, packed }: Pick<InputFile, 'path' | 'packed'>,
  onBytes: (bytes: number) => void = () => {},
): AsyncGenerator<Buffer> {
  const counted = counting(createReadStream(path, { highWaterMark: CHUNK_BYTES }), onBytes)
  if (!packed) return yield* counted
  const text = createGunzip({ chunkSize: CHUNK_BYTES })
  // What goes wrong in one ends the other, and is thrown where the text is read.
  pipeline(Readable.from(counted), text, () => {})
  try {
    yield* text
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw code?.startsWith('Z_') ? permanent(`${path}: expected a whole gzip file, found ${message}`) : error
  }
}

/** The packets of a stream, each told of as it comes. */
export async function* counting(
  stream: AsyncIterable<Buffer>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for await (const packet of stream) {
    onBytes(packet.length)
    yield packet
  }
}
