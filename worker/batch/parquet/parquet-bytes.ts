import type { OutputColumn } from '../output-columns.ts'
import { columnChunk, schemaElement } from './column-chunk.ts'
import { ThriftStruct } from './thrift.ts'

const MAGIC = Buffer.from('PAR1')
const VERSION = 1

/**
 * A Parquet file of flat columns in one row group, each column in one page, compressed with zstd
 * (https://parquet.apache.org/docs/file-format/). The same columns give the same bytes.
 *
 * @throws a BatchError for a value that is not of its column's type
 */
export function parquetBytes(columns: readonly OutputColumn[], rows: number): Uint8Array {
  const pieces: Uint8Array[] = [MAGIC]
  const chunks: ThriftStruct[] = []
  let [offset, uncompressedBytes] = [MAGIC.length, 0]
  for (const column of rows === 0 ? [] : columns) {
    const chunk = columnChunk(column)
    chunks.push(chunk.metadata(offset))
    pieces.push(...chunk.pieces)
    offset += chunk.bytes
    uncompressedBytes += chunk.uncompressedBytes
  }
  const group = new ThriftStruct().structs(1, chunks).i64(2, uncompressedBytes).i64(3, rows)
  const footer = new ThriftStruct()
    .i32(1, VERSION)
    .structs(2, [new ThriftStruct().text(4, 'schema').i32(5, columns.length), ...columns.map(schemaElement)])
    .i64(3, rows)
    .structs(4, rows === 0 ? [] : [group])
    .text(6, 'coalmine')
    .bytes()
  const length = Buffer.alloc(4)
  length.writeUInt32LE(footer.length)
  return Buffer.concat([...pieces, footer, length, MAGIC])
}
