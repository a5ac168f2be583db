import type { ParquetParsers, SchemaElement } from 'hyparquet'
import type { Column } from '../column.ts'

/** Dates and times as texts with every digit that the file has, where a Date would have milliseconds. */
export const instants = {
  dateFromDays: (days) => new Date(days * 86_400_000).toISOString().split('T')[0]!,
  timestampFromMilliseconds: (count) => instant(BigInt(count), 3),
  timestampFromMicroseconds: (count) => instant(BigInt(count), 6),
  timestampFromNanoseconds: (count) => instant(BigInt(count), 9),
} satisfies Partial<ParquetParsers>

/** @param digits of the fraction of a second that the count has */
function instant(count: bigint, digits: number): string {
  const second = 10n ** BigInt(digits)
  const fraction = ((count % second) + second) % second
  const whole = new Date(Number((count - fraction) / second) * 1000).toISOString().slice(0, -'.000Z'.length)
  return `${whole}.${`${fraction}`.padStart(digits, '0')}Z`
}

/** What makes texts of the numbers of a column; undefined where they are no dates or times. */
export function instantOf(element: SchemaElement): ((count: number | bigint) => string) | undefined {
  const { type, converted_type, logical_type } = element
  if (type === 'INT32' && (converted_type === 'DATE' || logical_type?.type === 'DATE'))
    return (days) => instants.dateFromDays(Number(days))
  if (type !== 'INT64') return undefined
  const unit = logical_type?.type === 'TIMESTAMP' ? logical_type.unit : converted_type
  switch (unit) {
    case 'MILLIS':
    case 'TIMESTAMP_MILLIS':
      return (count) => instant(BigInt(count), 3)
    case 'MICROS':
    case 'TIMESTAMP_MICROS':
      return (count) => instant(BigInt(count), 6)
    case 'NANOS':
      return (count) => instant(BigInt(count), 9)
    default:
      return undefined
  }
}

/** A column of numbers as texts. Each that differs is made once: days repeat. */
export function textsOfNumbers(column: Column, textOf: (number: number | bigint) => string): Column {
  if (column.kind !== 'numbers') return column
  const { numbers, isThere } = column
  const words: (string | null)[] = []
  const known = new Map<number | bigint | null, number>()
  const places = new Uint32Array(numbers.length)
  for (let row = 0; row < places.length; row++) {
    const number = isThere?.[row] === 0 ? null : numbers[row]!
    let place = known.get(number)
    if (place === undefined) {
      place = words.push(number === null ? null : textOf(number)) - 1
      known.set(number, place)
    }
    places[row] = place
  }
  return { kind: 'words', words, places }
}
