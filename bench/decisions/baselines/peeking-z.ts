import type { Baseline } from '../tick.ts'
import { Totals } from './totals.ts'
import { type Excess, excess, excessZ } from './two-proportion.ts'

/** The one-sided 1 % point of the normal distribution: the level is right for a single look. */
const CRITICAL_Z = 2.3263478740408408

/**
 * A two-proportion z-test of the errors at every evaluation, as a dashboard with "significant at 1 %"
 * invites to. Each weight is compared within itself, so that peeking is its only fault.
 */
export const peekingZ: Baseline = {
  name: 'z-test at every look',
  start: () => {
    const before: Excess[] = []
    let weight = Number.NaN
    let canary = new Totals()
    let stable = new Totals()
    return {
      see: (tick) => {
        if (tick.pi !== weight) {
          before.push(excess(canary, stable))
          weight = tick.pi
          canary = new Totals()
          stable = new Totals()
        }
        canary.add(tick.canary)
        stable.add(tick.stable)
        return excessZ([...before, excess(canary, stable)]) > CRITICAL_Z ? 'rollback' : 'continue'
      },
    }
  },
}
