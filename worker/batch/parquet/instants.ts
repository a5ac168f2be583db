import type { ParquetParsers } from 'hyparquet'

/** Dates and times as texts with every digit that the file has, where a Date would have milliseconds. */
export const instants: Partial<ParquetParsers> = {
  dateFromDays: (days) => new Date(days * 86_400_000).toISOString().split('T')[0]!,
  timestampFromMilliseconds: (count) => instant(BigInt(count), 3),
  timestampFromMicroseconds: (count) => instant(BigInt(count), 6),
  timestampFromNanoseconds: (count) => instant(BigInt(count), 9),
}

/** @param digits of the fraction of a second that the count has */
function instant(count: bigint, digits: number): string {
  const second = 10n ** BigInt(digits)
  const fraction = ((count % second) + second) % second
  const whole = new Date(Number((count - fraction) / second) * 1000).toISOString().slice(0, -'.000Z'.length)
  return `${whole}.${`${fraction}`.padStart(digits, '0')}Z`
}
