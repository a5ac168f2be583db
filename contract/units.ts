const DURATION_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const SIZE_BYTES: Record<string, number> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** `30s`, `500ms`, `5m`, `1h` in milliseconds; undefined for anything else. */
export function durationMs(text: string): number | undefined {
  return amount(text, DURATION_MS)
}

/** `1MiB`, `512KiB`, `100B`, `1GiB` in bytes; undefined for anything else. */
export function sizeBytes(text: string): number | undefined {
  return amount(text, SIZE_BYTES)
}

/** A percentage from 0 to 100 with at most two decimals in basis points; undefined for anything else. */
export function basisPoints(percent: number): number | undefined {
  const bp = Math.round(percent * 100)
  // 0.07 * 100 is 7.000000000000001: written decimals come back within a few units of the last place.
  const exact = Math.abs(percent * 100 - bp) < 1e-9
  return exact && bp >= 0 && bp <= 10_000 ? bp : undefined
}

/** `5%`, `12.5%` as a fraction, `0.1pp` (percentage points) likewise; undefined for anything else. */
export function percentage(text: string, sign: '%' | 'pp' = '%'): number | undefined {
  const match = /^(\d{1,6}(?:\.\d{1,6})?)(%|pp)$/.exec(text)
  // By the exponent, as 0.7 / 100 is 0.006999999999999999.
  return match?.[2] === sign ? Number(`${match[1]}e-2`) : undefined
}

function amount(text: string, units: Record<string, number>): number | undefined {
  const match = /^(\d{1,9})([A-Za-z]+)$/.exec(text)
  const unit = match && Object.hasOwn(units, match[2]!) ? units[match[2]!] : undefined
  return unit === undefined ? undefined : Number(match![1]) * unit
}
