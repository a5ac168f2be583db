import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { Compressors } from 'hyparquet'
import { compressors as javaScript } from 'hyparquet-compressors'

/** What Node has itself is several times as fast as the same in JavaScript. */
export const compressors: Compressors = {
  ...javaScript,
  BROTLI: (bytes) => brotliDecompressSync(bytes),
  GZIP: (bytes) => gunzipSync(bytes),
  // Arrow packs an empty dictionary into a byte that this reader takes for the beginning of something.
  LZ4: (bytes, length) => (length === 0 ? new Uint8Array() : javaScript.LZ4!(bytes, length)),
  LZ4_RAW: (bytes, length) => (length === 0 ? new Uint8Array() : javaScript.LZ4_RAW!(bytes, length)),
  ZSTD: (bytes) => zstdDecompressSync(bytes),
}
