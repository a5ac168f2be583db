import type { Outcome } from './experiment.ts'
import { shareInterval } from './limits.ts'

/*
 * What is read from the outcomes of many runs, and how it is written.
 */

export function bare(name: string): string {
  return name.slice(name.indexOf(': ') + 2)
}

export function valuesOf(outcomes: readonly Outcome[], field: string): number[] {
  return outcomes.map((outcome) => outcome[field]!)
}

export function countOf(outcomes: readonly Outcome[], field: string): number {
  return valuesOf(outcomes, field).filter(Number.isFinite).length
}

export function shareFinite(values: readonly number[]): number {
  return values.filter(Number.isFinite).length / values.length
}

export function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}

export function meanOf(values: readonly number[]): number {
  return total(values) / values.length
}

export function standardError(values: readonly number[]): number {
  const mean = meanOf(values)
  return Math.sqrt(total(values.map((value) => (value - mean) ** 2)) / (values.length - 1) / values.length)
}

export function rounded(value: number): number {
  return Math.round(value * 100) / 100
}

export function quantile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))]!
}

export function interval(k: number, n: number): string {
  const [low, high] = shareInterval(k, n)
  return `${percent(low)} to ${percent(high)}`
}

export function percent(share: number): string {
  return `${Number((share * 100).toFixed(share > 0 && share < 0.1 ? 2 : 1))} %`
}

export function whole(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : 'never'
}
