import { durationMs, percentage, sizeBytes } from '@coalmine/contract/units.ts'
import { text, within, written } from '@coalmine/contract/written.ts'
import { z } from 'zod'

/**
 * Amounts as people write them, within bounds that are as written too. What is left out has the value of the program,
 * in the unit of the program: the defaults stand in one place.
 */
export function duration(min: string, max: string, standardMs: number, description: string) {
  return written(
    `a duration from ${min} to ${max}, such as ${ofMs(standardMs)}`,
    text((value) => within(durationMs(value), durationMs(min)!, durationMs(max)!)),
    { type: 'string', pattern: '^\\d+(ms|s|m|h)$', description },
  ).prefault(ofMs(standardMs))
}

export function size(min: string, max: string, standardBytes: number, description: string) {
  return written(
    `a size from ${min} to ${max}, such as ${ofBytes(standardBytes)}`,
    text((value) => within(sizeBytes(value), sizeBytes(min)!, sizeBytes(max)!)),
    { type: 'string', pattern: '^\\d+(B|KiB|MiB|GiB)$', description },
  ).prefault(ofBytes(standardBytes))
}

/** A percentage with its sign, as a share from 0 to 1. */
export function share(minPercent: number, standard: number, description: string) {
  const standardText = `${Number((standard * 100).toPrecision(6))}%`
  return written(
    `a percentage from ${minPercent}% to 100%, such as ${standardText}`,
    text((value) => within(percentage(value), minPercent / 100, 1)),
    { type: 'string', pattern: '^\\d+(\\.\\d+)?%$', description },
  ).prefault(standardText)
}

export function count(min: number, max: number, standard: number, description: string) {
  return z.int().min(min).max(max).default(standard).describe(description)
}

const UNITS_MS = { h: 3_600_000, m: 60_000, s: 1_000 } as const
const UNITS_BYTES = { GiB: 1024 ** 3, MiB: 1024 ** 2, KiB: 1024 } as const

function ofMs(ms: number): string {
  return inUnits(ms, UNITS_MS) ?? `${ms}ms`
}

function ofBytes(bytes: number): string {
  return inUnits(bytes, UNITS_BYTES) ?? `${bytes}B`
}

/** In the largest unit that leaves no rest. */
function inUnits(amount: number, units: Readonly<Record<string, number>>): string | undefined {
  const unit = Object.keys(units).find((one) => amount > 0 && amount % units[one]! === 0)
  return unit && `${amount / units[unit]!}${unit}`
}
