import { z } from 'zod'

const share = z.number().min(0).max(1)

const bins = {
  /** Strictly ascending; n edges make n + 1 bins, of which the i-th holds what is at or above edge i - 1 and below edge i. */
  edges: z
    .array(z.number())
    .max(63)
    .refine((edges) => ascending(edges, true), 'strictly ascending edges'),
  /** Of the rows that have a value. */
  shares: z.array(share).refine((shares) => Math.abs(sum(shares) - 1) < 1e-3, 'shares that sum to 1'),
}
const eachEdge = ({ edges, shares }: { edges: number[]; shares: number[] }) =>
  shares.length === edges.length + 1

const numeric = z.strictObject({
  kind: z.literal('numeric'),
  /** Share of rows without a value. */
  missing: share,
  mean: z.number(),
  std: z.number().min(0),
  quantiles: z
    .strictObject({ probabilities: z.array(share).min(2), values: z.array(z.number()) })
    .refine(
      ({ probabilities, values }) => probabilities.length === values.length,
      'one value for each probability',
    )
    .refine(
      ({ probabilities, values }) => ascending(probabilities, true) && ascending(values, false),
      'ascending order',
    ),
  /** What live values are counted in; without them how far a number has drifted cannot be said. */
  bins: z.strictObject(bins).refine(eachEdge, 'one share more than edges').optional(),
})

const categorical = z.strictObject({
  kind: z.literal('categorical'),
  missing: share,
  /** Share of each category among the rows that have one. */
  shares: z.record(z.string(), share),
})

const score = z
  .strictObject({ ...bins, mean: z.number().optional(), std: z.number().min(0).optional() })
  .refine(eachEdge, 'one share more than edges')

const reference = z.strictObject({
  /** Training rows that the summaries are of. */
  rows: z.int().min(1),
  features: z.record(z.string(), z.discriminatedUnion('kind', [numeric, categorical])),
  score: score.optional(),
  /** Share of each predicted class, by label. */
  classes: z.record(z.string(), share).optional(),
})

/** What a version saw in training: reference.json. */
export type Reference = z.infer<typeof reference>

/** Reads reference.json. Throws an Error naming file, path and expectation of every problem. */
export function parseReference(text: string, file: string): Reference {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new Error(`${file}: expected JSON, found ${(error as Error).message}`)
  }
  const parsed = reference.safeParse(json)
  if (parsed.success) return parsed.data
  throw new Error(
    parsed.error.issues
      .map(({ path, message }) => `${file}: ${path.join('.') || 'document'}: ${message}`)
      .join('\n'),
  )
}

function ascending(values: readonly number[], strictly: boolean): boolean {
  return values.every((value, i) => i === 0 || (strictly ? values[i - 1]! < value : values[i - 1]! <= value))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
