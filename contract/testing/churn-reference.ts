/** A reference.json of the churn model, cut down to one feature of each kind. */
export const REFERENCE = {
  rows: 1000,
  features: {
    tenure_months: {
      kind: 'numeric',
      missing: 0,
      mean: 30.5,
      std: 12,
      quantiles: { probabilities: [0, 0.5, 1], values: [0, 30, 120] },
    },
    contract: { kind: 'categorical', missing: 0.05, shares: { 'one-year': 0.25, 'two-year': 0.75 } },
  },
  score: { edges: [0.2, 0.6], shares: [0.5, 0.25, 0.25], mean: 0.3, std: 0.2 },
  classes: { stay: 0.8, churn: 0.2 },
}
