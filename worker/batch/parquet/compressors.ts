import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { Compressors } from 'hyparquet'
import { compressors as javaScript } from 'hyparquet-compressors'

/** What Node has itself is several times as fast as the same in JavaScript. */
export const compressors: Compressors = {
  ...javaScript,
  BROTLI: (bytes) => brotliDecompressSync(bytes),
  GZIP: (bytes) => gunzipSync(bytes),
  ZSTD: (bytes) => zstdDecompressSync(bytes),
}
