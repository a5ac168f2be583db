/** Wire types of the compact protocol. */
const [I32, I64, BINARY, LIST, STRUCT] = [5, 6, 8, 9, 12]

/**
 * A struct in Thrift's compact protocol, as far as the headers and the footer of a Parquet file need it
 * (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md). Fields are written by rising ids.
 */
export class ThriftStruct {
  readonly #bytes: number[] = []
  #last = 0

  i32(id: number, value: number): this {
    this.#field(id, I32)
    this.#zigzag(value)
    return this
  }

  /** @param value whole, and no more than a double holds exactly */
  i64(id: number, value: number): this {
    this.#field(id, I64)
    this.#zigzag(value)
    return this
  }

  text(id: number, value: string): this {
    this.#field(id, BINARY)
    this.#text(value)
    return this
  }

  struct(id: number, value: ThriftStruct): this {
    this.#field(id, STRUCT)
    this.#struct(value)
    return this
  }

  structs(id: number, values: readonly ThriftStruct[]): this {
    this.#list(id, STRUCT, values.length)
    for (const value of values) this.#struct(value)
    return this
  }

  i32s(id: number, values: readonly number[]): this {
    this.#list(id, I32, values.length)
    for (const value of values) this.#zigzag(value)
    return this
  }

  texts(id: number, values: readonly string[]): this {
    this.#list(id, BINARY, values.length)
    for (const value of values) this.#text(value)
    return this
  }

  bytes(): Uint8Array {
    return Uint8Array.of(...this.#bytes, 0)
  }

  #field(id: number, type: number): void {
    const delta = id - this.#last
    this.#last = id
    if (delta > 0 && delta < 16) this.#bytes.push((delta << 4) | type)
    else {
      this.#bytes.push(type)
      this.#zigzag(id)
    }
  }

  #list(id: number, type: number, length: number): void {
    this.#field(id, LIST)
    if (length < 15) this.#bytes.push((length << 4) | type)
    else {
      this.#bytes.push(0xf0 | type)
      this.#varint(length)
    }
  }

  #text(value: string): void {
    const bytes = Buffer.from(value)
    this.#varint(bytes.length)
    for (const byte of bytes) this.#bytes.push(byte)
  }

  #struct(value: ThriftStruct): void {
    for (const byte of value.#bytes) this.#bytes.push(byte)
    this.#bytes.push(0)
  }

  #zigzag(value: number): void {
    this.#varint(value < 0 ? -2 * value - 1 : 2 * value)
  }

  #varint(value: number): void {
    for (const byte of varint(value)) this.#bytes.push(byte)
  }
}

/** Seven bits a byte, the lowest first. */
export function varint(value: number): number[] {
  const bytes: number[] = []
  let left = value
  while (left >= 0x80) {
    bytes.push((left % 0x80) | 0x80)
    left = Math.floor(left / 0x80)
  }
  bytes.push(left)
  return bytes
}
