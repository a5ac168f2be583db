/** What one run of an experiment shows; Infinity for what never happened. */
export type Outcome = Readonly<Record<string, number>>

/** Runs that differ in their seed alone. */
export interface Experiment {
  /** Unique; part of the seed, so that no two experiments share their draws. */
  readonly name: string
  readonly run: (seed: string) => Outcome
}

/** The seed of one run. */
export const seedOf = (base: string, name: string, run: number): string => `${base}/${name}/${run}`
