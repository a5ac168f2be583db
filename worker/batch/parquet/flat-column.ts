import type { ColumnMetaData, FileMetaData, SchemaElement } from 'hyparquet'
import { type Column, joined, rowsOf, sliced } from '../column.ts'
import { ChunkPages } from './chunk-pages.ts'
import { compressors } from './compressors.ts'
import {
  columnOfPage,
  type Dictionary,
  dictionaryOfPage,
  FLAT_ENCODINGS,
  FLAT_TYPES,
  type FlatChunk,
  type FlatType,
  rowsOfPage,
} from './flat-page.ts'

/** One row group's part of the column. */
interface Chunk extends FlatChunk {
  readonly firstRow: number
  readonly rows: number
  readonly from: number
  readonly end: number
}

/** Where reading is: behind a page of a chunk, which is kept, since the next rows may lie in it. */
interface Place {
  readonly chunk: Chunk
  readonly pages: ChunkPages
  dictionary: Dictionary | undefined
  /** Rows of the file before the next page. */
  row: number
  page: { firstRow: number; column: Column } | undefined
}

/**
 * A flat column of a Parquet file, decoded into arrays. Reads pages from the beginning of a row group to its end: rows that
 * are asked for in their order are decoded once.
 */
export class FlatColumn {
  readonly #descriptor: number
  readonly #chunks: readonly Chunk[]
  #place: Place | undefined

  private constructor(descriptor: number, chunks: readonly Chunk[]) {
    this.#descriptor = descriptor
    this.#chunks = chunks
  }

  /** Undefined for a column whose pages are of a kind that is not decoded here. */
  static of(
    descriptor: number,
    { row_groups }: FileMetaData,
    element: SchemaElement,
  ): FlatColumn | undefined {
    if (element.num_children || element.repetition_type === 'REPEATED') return undefined
    const chunks: Chunk[] = []
    let firstRow = 0
    for (const group of row_groups) {
      const found = group.columns.find(({ meta_data }) => meta_data?.path_in_schema[0] === element.name)
      const meta = found?.meta_data
      if (meta === undefined || found!.crypto_metadata || !isDecodable(meta)) return undefined
      const from = Number(meta.dictionary_page_offset || meta.data_page_offset)
      const rows = Number(group.num_rows)
      chunks.push({
        ...{ type: meta.type as FlatType, codec: meta.codec, compressors, firstRow, rows, from },
        isOptional: element.repetition_type === 'OPTIONAL',
        end: from + Number(meta.total_compressed_size),
      })
      firstRow += rows
    }
    return new FlatColumn(descriptor, chunks)
  }

  /** @param to behind the last row */
  rows(from: number, to: number): Column {
    const parts: Column[] = []
    for (const chunk of this.#chunks) {
      const end = Math.min(to, chunk.firstRow + chunk.rows)
      let row = Math.max(from, chunk.firstRow)
      while (row < end) {
        const { firstRow, column } = this.#pageWith(chunk, row)
        const last = Math.min(end, firstRow + rowsOf(column))
        parts.push(sliced(column, row - firstRow, last - firstRow))
        row = last
      }
    }
    const column = joined(parts)
    if (rowsOf(column) !== to - from)
      throw new Error(`expected the rows ${from} to ${to}, found ${rowsOf(column)} of them`)
    return column
  }

  #pageWith(chunk: Chunk, row: number): { firstRow: number; column: Column } {
    const place = this.#at(chunk, row)
    const { page } = place
    if (page && row < page.firstRow + rowsOf(page.column)) return page
    for (;;) {
      const next = place.pages.next()
      if (next === undefined)
        throw new Error(`expected ${chunk.rows} rows, found ${place.row - chunk.firstRow}`)
      const { header, body } = next
      if (header.type === 'DICTIONARY_PAGE') place.dictionary = dictionaryOfPage(chunk, header, body())
      const firstRow = place.row
      const rows = rowsOfPage(header)
      if (rows < 0 || firstRow + rows > chunk.firstRow + chunk.rows)
        throw new Error(`a page of ${rows} rows behind ${firstRow - chunk.firstRow} of ${chunk.rows}`)
      place.row += rows
      // A dictionary has no rows.
      if (row >= place.row) continue
      place.page = { firstRow, column: columnOfPage(chunk, header, body(), place.dictionary) }
      return place.page
    }
  }

  /** Where reading is, if that is not behind the row. */
  #at(chunk: Chunk, row: number): Place {
    const place = this.#place
    if (place?.chunk === chunk && row >= (place.page?.firstRow ?? place.row)) return place
    this.#place = {
      ...{ chunk, dictionary: undefined, row: chunk.firstRow, page: undefined },
      pages: new ChunkPages(this.#descriptor, chunk.from, chunk.end),
    }
    return this.#place
  }
}

function isDecodable({ type, encodings }: ColumnMetaData): boolean {
  return (
    (FLAT_TYPES as readonly string[]).includes(type) && encodings.every((name) => FLAT_ENCODINGS.has(name))
  )
}
