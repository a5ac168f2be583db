import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ChunkPages } from './chunk-pages.ts'
import { ThriftStruct } from './thrift.ts'

let folder: string
let descriptor: number
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'coalmine-pages-'))
})
afterEach(() => {
  closeSync(descriptor)
  rmSync(folder, { recursive: true, force: true })
})

const BODY = Buffer.from('twelve bytes')

function pages(...pieces: Uint8Array[]): ChunkPages {
  const bytes = Buffer.concat(pieces)
  writeFileSync(join(folder, 'chunk'), bytes)
  descriptor = openSync(join(folder, 'chunk'), 'r')
  return new ChunkPages(descriptor, 0, bytes.length)
}

/** A data page of five values. @param largest of its statistics */
function header({ crc, largest = '' }: { crc?: number; largest?: string }): Uint8Array {
  const page = new ThriftStruct().i32(1, 0).i32(2, BODY.length).i32(3, BODY.length)
  if (crc !== undefined) page.i32(4, crc | 0)
  const statistics = new ThriftStruct().text(5, largest).text(6, 'a')
  return page
    .struct(5, new ThriftStruct().i32(1, 5).i32(2, 0).i32(3, 3).i32(4, 3).struct(5, statistics))
    .bytes()
}

test.each([1, 900, 5_000, 60_000])('a header with statistics of a text of %i letters', (length) => {
  const some = pages(header({ largest: 'z'.repeat(length) }), BODY, header({}), BODY)
  for (let page = 0; page < 2; page++) {
    const { header, body } = some.next()!
    expect(header.data_page_header!.num_values).toBe(5)
    expect(Buffer.from(body())).toEqual(BODY)
  }
  expect(some.next()).toBeUndefined()
})

test('a header that ends with its file is an error', () => {
  const whole = header({ largest: 'z'.repeat(2_000) })
  expect(() => pages(whole.subarray(0, 1_500)).next()).toThrow(/remaining|STOP|bounds/)
})

test('a page that its checksum does not fit is an error', () => {
  const good = pages(header({ crc: crc32(BODY) }), BODY)
  expect(Buffer.from(good.next()!.body())).toEqual(BODY)
  closeSync(descriptor)
  const damaged = pages(header({ crc: crc32(BODY) }), Buffer.from('twelve bites'))
  expect(() => damaged.next()!.body()).toThrow('checksum')
})
