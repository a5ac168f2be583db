import { elementsPerRow, type Field } from './manifest.ts'
import { type EncodedTensor, oipDatatype, type TensorData } from './tensor.ts'

/** Encodes valid records; `records` must have passed the validator of the same fields. */
export type Encoder = (records: readonly Record<string, unknown>[]) => EncodedTensor[]

/**
 * Compiles the one encoding of records into tensors, one tensor a field in contract order, of shape
 * [rows, ...(field shape, or 1)]. Null and absent become NaN in floats and '' in strings.
 */
export function compileEncoder(inputs: readonly Field[]): Encoder {
  const columns = inputs.map((field) => ({
    name: field.name,
    type: field.type,
    datatype: oipDatatype(field.type),
    rowShape: field.shape === undefined || field.shape.length === 0 ? [1] : field.shape,
    encode: field.shape === undefined || field.shape.length === 0 ? scalarColumn(field) : shapedColumn(field),
  }))
  return (records) => {
    const tensors: EncodedTensor[] = []
    for (let i = 0; i < columns.length; i++) {
      const { name, type, datatype, rowShape, encode } = columns[i]!
      tensors.push({
        name,
        type,
        datatype,
        shape: [records.length, ...rowShape],
        data: encode(records),
      })
    }
    return tensors
  }
}

/** V8 keeps arrays of up to 64 bytes on its heap; asking one for its buffer costs more than a few bigints. */
const FEW_ROWS = 8

type Column = (records: readonly Record<string, unknown>[]) => TensorData

function scalarColumn({ name, type }: Field): Column {
  const inherited = name in Object.prototype
  const read = (record: Record<string, unknown>): unknown =>
    inherited && !Object.hasOwn(record, name) ? undefined : record[name]
  switch (type) {
    case 'float32':
      return (records) => {
        const data = new Float32Array(records.length)
        for (let i = 0; i < records.length; i++) data[i] = floatOf(read(records[i]!))
        return data
      }
    case 'float64':
      return (records) => {
        const data = new Float64Array(records.length)
        for (let i = 0; i < records.length; i++) data[i] = floatOf(read(records[i]!))
        return data
      }
    case 'int64':
      return (records) => {
        if (records.length <= FEW_ROWS) {
          const data = new BigInt64Array(records.length)
          for (let i = 0; i < records.length; i++) data[i] = BigInt(read(records[i]!) as number)
          return data
        }
        const halves = new Int32Array(records.length * 2)
        for (let i = 0; i < records.length; i++) writeInt64(halves, i, read(records[i]!) as number)
        return new BigInt64Array(halves.buffer)
      }
    case 'int32':
      return (records) => {
        const data = new Int32Array(records.length)
        for (let i = 0; i < records.length; i++) data[i] = read(records[i]!) as number
        return data
      }
    case 'bool':
      return (records) => {
        const data = new Uint8Array(records.length)
        for (let i = 0; i < records.length; i++) data[i] = read(records[i]!) === true ? 1 : 0
        return data
      }
    case 'string':
      return (records) => {
        const data: string[] = []
        for (let i = 0; i < records.length; i++) data.push((read(records[i]!) ?? '') as string)
        return data
      }
  }
}

function shapedColumn(field: Field): Column {
  const perRow = elementsPerRow(field)
  const { name, type } = field
  return (records) => {
    const { data, write } = sink(type, records.length * perRow)
    for (let row = 0; row < records.length; row++) {
      const record = records[row]!
      const value = Object.hasOwn(record, name) ? (record[name] ?? null) : null
      let next = row * perRow
      const fill = (item: unknown): void => {
        if (Array.isArray(item)) for (let i = 0; i < item.length; i++) fill(item[i])
        else write(next++, item)
      }
      if (value === null) for (let i = 0; i < perRow; i++) write(next++, null)
      else fill(value)
    }
    return data
  }
}

function sink(
  type: Field['type'],
  length: number,
): { data: TensorData; write: (at: number, value: unknown) => void } {
  switch (type) {
    case 'float32':
    case 'float64': {
      const data = type === 'float32' ? new Float32Array(length) : new Float64Array(length)
      return {
        data,
        write: (at, value) => {
          data[at] = floatOf(value)
        },
      }
    }
    case 'int64': {
      const halves = new Int32Array(length * 2)
      return {
        data: new BigInt64Array(halves.buffer),
        write: (at, value) => writeInt64(halves, at, value as number),
      }
    }
    case 'int32': {
      const data = new Int32Array(length)
      return {
        data,
        write: (at, value) => {
          data[at] = value as number
        },
      }
    }
    case 'bool': {
      const data = new Uint8Array(length)
      return {
        data,
        write: (at, value) => {
          data[at] = value === true ? 1 : 0
        },
      }
    }
    case 'string': {
      const data = new Array<string>(length)
      return {
        data,
        write: (at, value) => {
          data[at] = (value ?? '') as string
        },
      }
    }
  }
}

function floatOf(value: unknown): number {
  if (typeof value === 'number') return value
  return value === null || value === undefined ? Number.NaN : Number(value)
}

/** Writes a safe integer as the two halves of an int64; a bigint for each value would cost an allocation. */
export function writeInt64(halves: Int32Array, at: number, value: number): void {
  // Little-endian, as every platform Node runs on.
  halves[at * 2] = value
  halves[at * 2 + 1] = Math.floor(value / 2 ** 32)
}
