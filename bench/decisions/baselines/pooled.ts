import type { Baseline } from '../tick.ts'
import { Totals } from './totals.ts'
import { excess, excessZ } from './two-proportion.ts'

/** The one-sided 1 % point of the normal distribution: the level is right for a single look. */
const CRITICAL_Z = 2.3263478740408408

/**
 * A two-proportion z-test at every evaluation of the errors since the rollout began, over all weights at
 * once. When errors change during a ramp, the arms have met them in different proportions (Simpson's
 * paradox).
 */
export const pooled: Baseline = {
  name: 'z-test pooled over weights',
  start: () => {
    const canary = new Totals()
    const stable = new Totals()
    return {
      see: (tick) => {
        canary.add(tick.canary)
        stable.add(tick.stable)
        return excessZ([excess(canary, stable)]) > CRITICAL_Z ? 'rollback' : 'continue'
      },
    }
  },
}
