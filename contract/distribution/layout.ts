import { createHash } from 'node:crypto'
import { z } from 'zod'
import { elementsPerRow, type Field, type Manifest } from '../manifest.ts'
import type { Reference } from '../reference.ts'

/** Where a worker counts what it sees: `POST` with a DistributionRequest. */
export const DISTRIBUTION_PATH = '/distribution'
/** `{reference}`: what a version saw in training, as its reference.json has it, or null. */
export const REFERENCE_PATH = '/reference'

const name = z.string().min(1).max(128)
const numeric = z.strictObject({
  kind: z.enum(['feature', 'score']),
  name,
  /** Strictly ascending; a value is in the bin numbered by the edges at or below it. */
  edges: z
    .array(z.number())
    .max(63)
    .refine((edges) => edges.every((edge, i) => i === 0 || edges[i - 1]! < edge), 'strictly ascending edges'),
})
const categorical = z.strictObject({
  kind: z.enum(['feature', 'class']),
  name,
  categories: z.array(z.string()).min(1).max(1000),
})
const layout = z.strictObject({ series: z.array(z.union([numeric, categorical])).max(1002) })

/** One feature, the score or the predicted class, in fixed bins. */
export type Series = z.infer<typeof layout>['series'][number]

/**
 * What is counted, and in which bins. Counts are a list of numbers: of each series in its order those of the bins and
 * then those of EXTRA. They are of values, which a field with a shape has several of in a record; lists of one layout
 * merge by addition.
 */
export type Layout = z.infer<typeof layout>

/** After the bins: of no category of the layout; without a value; refused by the contract for another reason. */
export const EXTRA = ['unseen', 'missing', 'refused'] as const

/** How many layouts a worker counts in: its own, that of the stable version, and those before a change. */
export const LAYOUTS_MAX = 4

export const distributionRequest = z.strictObject({ layouts: z.array(layout).min(1).max(LAYOUTS_MAX) })
export type DistributionRequest = z.infer<typeof distributionRequest>

export const distributionAnswer = z.object({
  digest: z.string(),
  /** For each layout asked for, in that order. */
  counts: z.array(
    z.object({
      /** Another one means that the counting began anew. */
      since: z.string(),
      counts: z.array(z.number().min(0)),
    }),
  ),
})
export type DistributionAnswer = z.infer<typeof distributionAnswer>

/** The same for equal layouts alone. */
export function layoutId(layout: Layout): string {
  return createHash('sha256').update(JSON.stringify(layout)).digest('hex').slice(0, 16)
}

export const binsOf = (series: Series): number =>
  'edges' in series ? series.edges.length + 1 : series.categories.length

export const countsOf = ({ series }: Layout): number =>
  series.reduce((sum, each) => sum + binsOf(each) + EXTRA.length, 0)

/**
 * Scores come in 64 bins, of which each has too few records of a few hundred to be judged by; what the bands of the index
 * were found with are ten to twenty.
 */
const BINS_MAX = 16

/** A feature of training that is not counted, and why. */
export interface Unmeasured {
  readonly name: string
  readonly because: string
}

/** What training says of a series: the share of each bin among the rows with a value, and of rows without. */
export interface Trained {
  readonly shares: readonly number[]
  readonly missing: number
}

/** The bins of a version's own training, with what training had in them. */
export function trainedLayout(
  reference: Reference,
  manifest: Pick<Manifest, 'inputs' | 'outputs' | 'score'>,
): { layout: Layout; trained: Trained[]; unmeasured: Unmeasured[] } {
  const series: Series[] = []
  const trained: Trained[] = []
  const unmeasured: Unmeasured[] = []
  const add = (one: Series, shares: readonly number[], missing: number) => {
    series.push(one)
    trained.push({ shares, missing })
  }
  const addNumbers = (kind: 'feature' | 'score', name: string, bins: Bins, missing: number) => {
    const { edges, shares } = coarser(bins)
    add({ kind, name, edges }, shares, missing)
  }
  for (const { name } of manifest.inputs) {
    const seen = reference.features[name]
    if (seen === undefined) unmeasured.push({ name, because: 'reference.json does not tell of it' })
    else if (seen.kind === 'categorical') {
      const categories = Object.keys(seen.shares)
      if (categories.length === 0) unmeasured.push({ name, because: 'reference.json has no category of it' })
      else add({ kind: 'feature', name, categories }, Object.values(seen.shares), seen.missing)
    } else if (seen.bins === undefined)
      unmeasured.push({ name, because: 'reference.json has quantiles of it and no bins' })
    else addNumbers('feature', name, seen.bins, seen.missing)
  }
  if (manifest.score !== undefined) {
    if (reference.score === undefined)
      unmeasured.push({ name: 'score', because: 'reference.json does not tell of it' })
    else addNumbers('score', 'score', reference.score, 0)
  }
  const labelled = manifest.outputs.find(({ labels }) => labels !== undefined)
  if (labelled !== undefined && reference.classes !== undefined) {
    const { classes } = reference
    const categories = labelled.labels!
    add(
      { kind: 'class', name: labelled.name, categories },
      categories.map((label) => classes[label] ?? 0),
      0,
    )
  }
  const layout = { series }
  for (const { name, because } of misfits(layout, manifest)) {
    const at = series.findIndex((one) => one.name === name && one.kind === 'feature')
    series.splice(at, 1)
    trained.splice(at, 1)
    unmeasured.push({ name, because })
  }
  return { layout, trained, unmeasured }
}

interface Bins {
  readonly edges: readonly number[]
  readonly shares: readonly number[]
}

/** Neighbours added up to at most BINS_MAX bins of about equal probability. */
function coarser({ edges, shares }: Bins): { edges: number[]; shares: number[] } {
  if (shares.length <= BINS_MAX) return { edges: [...edges], shares: [...shares] }
  const kept: { edges: number[]; shares: number[] } = { edges: [], shares: [] }
  let before = 0
  let open = 0
  for (const [i, share] of shares.entries()) {
    open += share
    const goal = (kept.edges.length + 1) / BINS_MAX
    const isLast = i === shares.length - 1
    // Shares are rounded.
    if (!isLast && (before + open < goal - 1e-6 || kept.edges.length === BINS_MAX - 1)) continue
    if (!isLast) kept.edges.push(edges[i]!)
    kept.shares.push(open)
    before += open
    open = 0
  }
  return kept
}

/** Features of a layout that a version cannot count: it has none of that name, or of another type. */
export function misfits({ series }: Layout, { inputs }: Pick<Manifest, 'inputs'>): Unmeasured[] {
  return series.flatMap((one) => {
    if (one.kind !== 'feature') return []
    const field = inputs.find(({ name }) => name === one.name)
    if (field === undefined) return [{ name: one.name, because: 'the version has no such field' }]
    const fits = 'edges' in one ? isNumeric(field) : !isNumeric(field) || isWhole(field)
    return fits
      ? []
      : [{ name: one.name, because: `it is of type ${field.type}, which these bins are not for` }]
  })
}

const isNumeric = ({ type }: Field) => type !== 'string' && type !== 'bool'
/** Codes of categories may be whole numbers. */
const isWhole = ({ type }: Field) => type === 'int32' || type === 'int64'

/** Values of a series in one record. */
export function valuesPerRecord(series: Series, { inputs }: Pick<Manifest, 'inputs'>): number {
  const field = series.kind === 'feature' ? inputs.find(({ name }) => name === series.name) : undefined
  return field === undefined ? 1 : elementsPerRow(field)
}
